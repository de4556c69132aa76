//! Real devices: on Linux those of the sound server where there is one, else ALSA's by cpal; WASAPI's and Core Audio's by
//! cpal elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, ErrorKind, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfig};
use deskline_core::media::{DeviceRole, DeviceTrouble};

use super::stream::{self, Capture, CaptureFeed, Playback, PlaybackFeed, StreamStatus};
use super::{Device, DeviceHost, FoundDevices, Wake};

/// What one callback should bring or take. On Linux it is ALSA's, behind which there may be a plug-in that stutters with
/// less than 20 ms.
const BLOCK_MS: u32 = if cfg!(target_os = "linux") { 20 } else { 10 };

/// Opening may take this long before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// The devices of this computer.
#[derive(Default)]
pub struct CpalHost {
    /// Made at first use, and anew after the sound system went away.
    host: Mutex<Option<cpal::Host>>,
    #[cfg(target_os = "linux")]
    server: super::pulse::PulseHost,
}

impl CpalHost {
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `use_host` with the host; a host that turns out to be dead is dropped and made anew, once.
    fn with<T>(&self, use_host: impl Fn(&cpal::Host) -> Result<T, cpal::Error>) -> Result<T, DeviceTrouble> {
        let mut kept = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.is_none();
        let host = match &mut *kept {
            Some(host) => host,
            None => kept.insert(make_host()?),
        };
        let error = match use_host(host) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let dead =
            matches!(error.kind(), ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated | ErrorKind::BackendError);
        if !dead {
            return Err(trouble(&error));
        }
        *kept = None;
        if fresh {
            return Err(trouble(&error));
        }
        let host = kept.insert(make_host()?);
        use_host(host).map_err(|error| trouble(&error))
    }
}

impl DeviceHost for CpalHost {
    fn devices(&self) -> Result<FoundDevices, DeviceTrouble> {
        #[cfg(target_os = "linux")]
        if let Some(found) = self.server.devices() {
            return found;
        }
        self.with(|host| {
            let mut found = FoundDevices {
                default_input: host.default_input_device().as_ref().and_then(id),
                default_output: host.default_output_device().as_ref().and_then(id),
                ..FoundDevices::default()
            };
            for device in host.devices()? {
                let Some(id) = id(&device) else { continue };
                if is_unpaced(&id) {
                    continue;
                }
                let name =
                    device.description().map_or_else(|_| id.clone(), |description| description.name().to_owned());
                if device.supports_input() {
                    found.inputs.push(Device { id: id.clone(), name: name.clone() });
                }
                if device.supports_output() {
                    found.outputs.push(Device { id, name });
                }
            }
            Ok(found)
        })
    }

    fn open_capture(&self, id: &str, wake: Wake) -> Result<Capture, DeviceTrouble> {
        #[cfg(target_os = "linux")]
        if let Some(name) = id.strip_prefix(super::pulse::PREFIX) {
            return self.server.open_capture(name, wake);
        }
        self.with(|host| {
            let device = find(host, id)?;
            let (config, format) = config(device.default_input_config()?);
            let (feed, capture) =
                stream::capture(config.sample_rate, config.channels.into(), wake.clone()).map_err(unsupported)?;
            let stream = record(&device, config, format, feed)?;
            stream.play()?;
            Ok(capture.with_device(stream))
        })
    }

    fn open_playback(&self, id: &str, role: DeviceRole, wake: Wake) -> Result<Playback, DeviceTrouble> {
        #[cfg(target_os = "linux")]
        if let Some(name) = id.strip_prefix(super::pulse::PREFIX) {
            return self.server.open_playback(name, role, wake);
        }
        let _ = role;
        self.with(|host| {
            let device = find(host, id)?;
            let (config, format) = config(device.default_output_config()?);
            let (feed, playback) =
                stream::playback(config.sample_rate, config.channels.into(), wake.clone()).map_err(unsupported)?;
            let stream = play(&device, config, format, feed)?;
            stream.play()?;
            Ok(playback.with_device(stream))
        })
    }
}

#[cfg(target_os = "linux")]
fn make_host() -> Result<cpal::Host, DeviceTrouble> {
    // Without a card ALSA knows only devices that keep no time.
    if !std::path::Path::new("/dev/snd").exists() {
        return Err(DeviceTrouble::Missing);
    }
    cpal::host_from_id(cpal::HostId::Alsa).map_err(|error| trouble(&error))
}

#[cfg(not(target_os = "linux"))]
fn make_host() -> Result<cpal::Host, DeviceTrouble> {
    Ok(cpal::default_host())
}

fn id(device: &cpal::Device) -> Option<String> {
    device.id().ok().map(|id| id.to_string())
}

/// ALSA's `null` swallows sound as fast as the processor can make it.
fn is_unpaced(id: &str) -> bool {
    id.strip_prefix("alsa:").is_some_and(|pcm| pcm == "null" || pcm.starts_with("null:"))
}

fn find(host: &cpal::Host, id: &str) -> Result<cpal::Device, cpal::Error> {
    let device = id.parse().ok().and_then(|id| host.device_by_id(&id));
    device.ok_or_else(|| cpal::Error::new(ErrorKind::DeviceNotAvailable))
}

/// What the device likes best, in blocks of a fixed size: the default may be as long as seconds.
fn config(preferred: SupportedStreamConfig) -> (StreamConfig, SampleFormat) {
    let wanted = preferred.sample_rate() * BLOCK_MS / 1_000;
    let size = match preferred.buffer_size() {
        SupportedBufferSize::Range { min, max } => wanted.clamp(*min, (*max).max(*min)),
        SupportedBufferSize::Unknown => wanted,
    };
    let config = StreamConfig {
        channels: preferred.channels(),
        sample_rate: preferred.sample_rate(),
        buffer_size: BufferSize::Fixed(size),
    };
    (config, preferred.sample_format())
}

/// Reports of the stream that make it useless are latched; glitches and reroutes are not.
fn latch(status: std::sync::Arc<StreamStatus>) -> impl FnMut(cpal::Error) + Send + 'static {
    move |error| match error.kind() {
        ErrorKind::Xrun | ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => status.fail(trouble(&error)),
    }
}

fn record(
    device: &cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    mut feed: CaptureFeed,
) -> Result<cpal::Stream, cpal::Error> {
    let error = latch(feed.status());
    macro_rules! build {
        ($sample:ty, $convert:expr) => {
            device.build_input_stream(
                config,
                move |data: &[$sample], _: &cpal::InputCallbackInfo| feed.record(data, $convert),
                error,
                Some(PATIENCE),
            )
        };
    }
    match format {
        SampleFormat::F32 => build!(f32, |sample| sample),
        SampleFormat::F64 => build!(f64, |sample| sample as f32),
        SampleFormat::I16 => build!(i16, |sample| f32::from(sample) / 32_768.0),
        SampleFormat::U16 => build!(u16, |sample| (f32::from(sample) - 32_768.0) / 32_768.0),
        SampleFormat::I32 => build!(i32, |sample| (f64::from(sample) / 2_147_483_648.0) as f32),
        SampleFormat::U8 => build!(u8, |sample| (f32::from(sample) - 128.0) / 128.0),
        _ => Err(cpal::Error::new(ErrorKind::UnsupportedConfig)),
    }
}

fn play(
    device: &cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    mut feed: PlaybackFeed,
) -> Result<cpal::Stream, cpal::Error> {
    let error = latch(feed.status());
    macro_rules! build {
        ($sample:ty, $convert:expr) => {
            device.build_output_stream(
                config,
                move |data: &mut [$sample], _: &cpal::OutputCallbackInfo| feed.play(data, $convert),
                error,
                Some(PATIENCE),
            )
        };
    }
    // The conversions to integers saturate.
    match format {
        SampleFormat::F32 => build!(f32, |sample| sample),
        SampleFormat::F64 => build!(f64, f64::from),
        SampleFormat::I16 => build!(i16, |sample| (sample * 32_767.0) as i16),
        SampleFormat::U16 => build!(u16, |sample| (sample * 32_767.0 + 32_768.0) as u16),
        SampleFormat::I32 => build!(i32, |sample| (f64::from(sample) * 2_147_483_647.0) as i32),
        SampleFormat::U8 => build!(u8, |sample| (sample * 127.0 + 128.0) as u8),
        _ => Err(cpal::Error::new(ErrorKind::UnsupportedConfig)),
    }
}

fn unsupported(_: deskline_core::media::resample::Unsupported) -> cpal::Error {
    cpal::Error::new(ErrorKind::UnsupportedConfig)
}

fn trouble(error: &cpal::Error) -> DeviceTrouble {
    match error.kind() {
        ErrorKind::DeviceBusy => DeviceTrouble::Busy,
        ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable => DeviceTrouble::Missing,
        ErrorKind::PermissionDenied => DeviceTrouble::Denied,
        _ => DeviceTrouble::Failed,
    }
}
