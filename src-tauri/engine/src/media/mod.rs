//! The media plane: RTP sockets, codecs, the 20 ms pipeline between network and devices.
//!
//! One media thread of its own does all of it; the event loop speaks to it through [`MediaPlane`].

pub mod codec;
pub mod stream;

use deskline_core::media as core_media;

/// What the media plane tells the event loop.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaEvent {
    /// For the core.
    Core(core_media::Event),
    /// The list of devices, or the choice among them, has changed.
    Devices(crate::audio::DeviceList),
    /// About ten times a second while a call runs: peak levels in dBFS of what is sent and what is heard.
    Levels { microphone: f32, speaker: f32 },
    /// Each second while a leg runs.
    Stats { id: core_media::MediaId, stats: StreamStats },
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StreamStats {
    pub packets_sent: u64,
    pub packets_received: u64,
    pub packets_lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) in milliseconds.
    pub jitter_ms: f32,
    /// Depth of the jitter buffer in milliseconds.
    pub buffer_ms: f32,
}

/// What the event loop asks of the media plane beyond the core's commands.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaControl {
    Core(core_media::Command),
    /// `None`: the system's default.
    SelectDevice {
        role: core_media::DeviceRole,
        device: Option<String>,
    },
    /// 0..=100.
    Volume {
        role: core_media::DeviceRole,
        percent: u8,
    },
    ListDevices,
    /// Play two seconds of the ring, or a test tone, on the device of that role.
    TestDevice {
        role: core_media::DeviceRole,
    },
}

/// How the media plane is set up.
#[derive(Clone)]
pub struct MediaConfig {
    /// Where devices come from: cpal, or the virtual one that a test clocks.
    pub host: std::sync::Arc<dyn crate::audio::DeviceHost>,
    /// 0..=100.
    pub speaker_volume: u8,
    pub ringer_volume: u8,
    pub microphone_volume: u8,
}

/// The handle of the media thread. Dropping it stops the thread.
pub struct MediaPlane {}

#[allow(unused_variables, clippy::todo)]
impl MediaPlane {
    pub fn start(config: MediaConfig, events: tokio::sync::mpsc::UnboundedSender<MediaEvent>) -> Self {
        todo!()
    }

    /// Never blocks.
    pub fn control(&self, control: MediaControl) {
        todo!()
    }
}
