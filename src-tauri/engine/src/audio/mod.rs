//! Sound devices: listing, choosing, opening, watching.

mod absent;
mod cpal_host;
mod desk;
#[cfg(target_os = "linux")]
mod pulse;
mod stream;
mod virtual_host;

use std::sync::Arc;

use deskline_core::media::{DeviceRole, DeviceTrouble};

pub use absent::NoDevices;
pub use cpal_host::CpalHost;
pub(crate) use desk::{Desk, DeskEvent};
pub use stream::{Capture, CaptureFeed, Playback, PlaybackFeed, StreamStatus};
pub use virtual_host::{MICROPHONE, RINGER, SPEAKER, VirtualClock, VirtualHost};

/// One sound device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Stable across restarts.
    pub id: String,
    /// For people.
    pub name: String,
}

/// What there is, and what is in use. `chosen_*` is the agent's choice (`None`: the system's default).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceList {
    pub inputs: Vec<Device>,
    pub outputs: Vec<Device>,
    pub chosen_microphone: Option<String>,
    pub chosen_speaker: Option<String>,
    pub chosen_ringer: Option<String>,
}

/// What a host sees at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundDevices {
    pub inputs: Vec<Device>,
    pub outputs: Vec<Device>,
    /// The ids of the system's default devices.
    pub default_input: Option<String>,
    pub default_output: Option<String>,
}

/// Wakes the media thread. It is called from the sound callback, and neither blocks nor allocates.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A source of sound devices. Its methods may block for as long as the sound system takes; they are never called from a
/// sound callback, nor from the media thread unless the host is virtual.
pub trait DeviceHost: Send + Sync {
    /// All devices that there are now. Without a sound system: [`DeviceTrouble::Missing`].
    fn devices(&self) -> Result<FoundDevices, DeviceTrouble>;

    /// Opens the input `id` and starts it.
    fn open_capture(&self, id: &str, wake: Wake) -> Result<Capture, DeviceTrouble>;

    /// Opens the output `id` for `role` and starts it.
    fn open_playback(&self, id: &str, role: DeviceRole, wake: Wake) -> Result<Playback, DeviceTrouble>;

    /// The clock of a virtual host; `None` for real devices and real time.
    fn clock(&self) -> Option<Arc<VirtualClock>> {
        None
    }
}
