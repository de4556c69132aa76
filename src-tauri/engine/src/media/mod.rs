//! The media plane: RTP sockets, codecs, the 20 ms pipeline between network and devices.
//!
//! One media thread of its own does all of it; the event loop speaks to it through [`MediaPlane`].

pub mod codec;
mod leg;
mod plane;
pub mod stream;

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, mpsc};

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
pub struct MediaPlane {
    thread: Option<Thread>,
    events: tokio::sync::mpsc::UnboundedSender<MediaEvent>,
}

struct Thread {
    messages: mpsc::Sender<plane::Message>,
    waker: Arc<mio::Waker>,
    clock: Option<Arc<crate::audio::VirtualClock>>,
    handle: std::thread::JoinHandle<()>,
}

impl MediaPlane {
    /// Starts the media thread. Where the system refuses one, calls fail with [`core_media::Event::OpenFailed`].
    pub fn start(config: MediaConfig, events: tokio::sync::mpsc::UnboundedSender<MediaEvent>) -> Self {
        let thread = Thread::start(config, events.clone());
        if let Err(error) = &thread {
            tracing::error!(%error, "the media thread cannot be started");
        }
        Self { thread: thread.ok(), events }
    }

    /// Never blocks.
    pub fn control(&self, control: MediaControl) {
        match &self.thread {
            Some(thread) => {
                // A thread that has ended is missed by the leg's first event; there is nothing to say here.
                let _ = thread.messages.send(plane::Message::Control(control));
                let _ = thread.waker.wake();
            }
            None => {
                if let MediaControl::Core(core_media::Command::Open { id, .. }) = control {
                    let reason = "no media thread".to_owned();
                    let _ = self.events.send(MediaEvent::Core(core_media::Event::OpenFailed { id, reason }));
                }
            }
        }
    }
}

impl Thread {
    fn start(
        config: MediaConfig,
        events: tokio::sync::mpsc::UnboundedSender<MediaEvent>,
    ) -> Result<Self, std::io::Error> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), plane::WAKER)?);
        let wake: crate::audio::Wake = {
            let waker = waker.clone();
            Arc::new(move || drop(waker.wake()))
        };
        let (messages, received) = mpsc::channel();
        let clock = config.host.clock();
        if let Some(clock) = &clock {
            clock.attach(wake.clone());
        }
        let plane = plane::Plane::new(poll, config, received, events, wake);
        let handle = std::thread::Builder::new().name("deskline-media".to_owned()).spawn(move || plane.run())?;
        Ok(Self { messages, waker, clock, handle })
    }
}

impl Drop for MediaPlane {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if let Some(clock) = &thread.clock {
            clock.detach();
        }
        let _ = thread.messages.send(plane::Message::Stop);
        let _ = thread.waker.wake();
        // The thread logs its own end; a panic there has been reported.
        let _ = thread.handle.join();
    }
}

/// A number that nobody can foresee, from the seed that the standard library draws for its hash tables.
fn entropy() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
#[path = "plane_tests.rs"]
mod tests;
