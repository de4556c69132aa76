//! A machine without sound, by choice.

use deskline_core::media::{DeviceRole, DeviceTrouble};

use super::{Capture, DeviceHost, FoundDevices, Playback, Wake};

/// Has no devices. Calls work and are silent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDevices;

impl DeviceHost for NoDevices {
    fn devices(&self) -> Result<FoundDevices, DeviceTrouble> {
        Err(DeviceTrouble::Missing)
    }

    fn open_capture(&self, _: &str, _: Wake) -> Result<Capture, DeviceTrouble> {
        Err(DeviceTrouble::Missing)
    }

    fn open_playback(&self, _: &str, _: DeviceRole, _: Wake) -> Result<Playback, DeviceTrouble> {
        Err(DeviceTrouble::Missing)
    }
}
