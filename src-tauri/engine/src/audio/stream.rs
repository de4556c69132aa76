//! Open streams: rings between the sound callback and the media thread. Inside, sound is mono at 48 kHz; the feeds convert
//! from and to what the device speaks. What runs in the callback neither allocates, locks, logs nor panics.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use deskline_core::media::resample::{Resampler, Unsupported};
use deskline_core::media::{DeviceTrouble, SAMPLE_RATE};
use rtrb::{Consumer, Producer, RingBuffer};

use super::Wake;

/// 500 ms: no more is ever held between callback and media thread.
const RING: usize = SAMPLE_RATE as usize / 2;

/// What a missing sample is of the one before: a gap begins with a fast decay, not with a click.
const DECAY: f32 = 0.97;

/// What the callback tells, without waiting for anybody.
#[derive(Debug, Default)]
pub struct StreamStatus {
    trouble: AtomicU8,
    glitches: AtomicU32,
    block: AtomicU32,
}

impl StreamStatus {
    /// Latches the first trouble of the stream.
    pub fn fail(&self, trouble: DeviceTrouble) {
        let code = match trouble {
            DeviceTrouble::Missing => 1,
            DeviceTrouble::Busy => 2,
            DeviceTrouble::Denied => 3,
            DeviceTrouble::Failed => 4,
        };
        let _ = self.trouble.compare_exchange(0, code, Relaxed, Relaxed);
    }

    /// The first trouble of the stream: it is of no use any more.
    pub fn trouble(&self) -> Option<DeviceTrouble> {
        match self.trouble.load(Relaxed) {
            0 => None,
            1 => Some(DeviceTrouble::Missing),
            2 => Some(DeviceTrouble::Busy),
            3 => Some(DeviceTrouble::Denied),
            _ => Some(DeviceTrouble::Failed),
        }
    }

    /// Callbacks that found the ring full (capture) or without enough sound (playback).
    pub fn glitches(&self) -> u32 {
        self.glitches.load(Relaxed)
    }

    /// How much the last callback brought or took, in samples at 48 kHz.
    pub fn block(&self) -> usize {
        self.block.load(Relaxed) as usize
    }
}

/// An open microphone. Dropping it closes the device, which may take a moment.
pub struct Capture {
    pub samples: Consumer<f32>,
    pub status: Arc<StreamStatus>,
    _device: Box<dyn Any + Send>,
}

/// An open speaker or ringer. Dropping it closes the device, which may take a moment.
pub struct Playback {
    pub samples: Producer<f32>,
    pub status: Arc<StreamStatus>,
    _device: Box<dyn Any + Send>,
}

impl Capture {
    /// Keeps `device` open for as long as the stream is used.
    pub fn with_device(self, device: impl Any + Send) -> Self {
        Self { _device: Box::new(device), ..self }
    }
}

impl Playback {
    /// Keeps `device` open for as long as the stream is used.
    pub fn with_device(self, device: impl Any + Send) -> Self {
        Self { _device: Box::new(device), ..self }
    }
}

/// The callback's end of a [`Capture`].
pub struct CaptureFeed {
    samples: Producer<f32>,
    status: Arc<StreamStatus>,
    resampler: Resampler,
    ratio: (u32, u32),
    channels: usize,
    wake: Wake,
}

/// The callback's end of a [`Playback`].
pub struct PlaybackFeed {
    samples: Consumer<f32>,
    status: Arc<StreamStatus>,
    resampler: Resampler,
    ratio: (u32, u32),
    channels: usize,
    /// Converted, not yet played: what one sample at 48 kHz gives at the highest rate.
    ready: [f32; 24],
    next: usize,
    count: usize,
    last: f32,
    /// Sound has been there since the stream was opened.
    begun: bool,
    wake: Wake,
}

/// The callback's end of a capture stream, and a [`Capture`] that wants its device still ([`Capture::with_device`]).
pub fn capture(rate: u32, channels: usize, wake: Wake) -> Result<(CaptureFeed, Capture), Unsupported> {
    let (producer, consumer) = RingBuffer::new(RING);
    let status = Arc::new(StreamStatus::default());
    let feed = CaptureFeed {
        samples: producer,
        status: status.clone(),
        resampler: Resampler::new(rate, SAMPLE_RATE)?,
        ratio: (SAMPLE_RATE, rate),
        channels: channels.max(1),
        wake,
    };
    Ok((feed, Capture { samples: consumer, status, _device: Box::new(()) }))
}

/// The callback's end of a playback stream, and a [`Playback`] that wants its device still.
pub fn playback(rate: u32, channels: usize, wake: Wake) -> Result<(PlaybackFeed, Playback), Unsupported> {
    let (producer, consumer) = RingBuffer::new(RING);
    let status = Arc::new(StreamStatus::default());
    let feed = PlaybackFeed {
        samples: consumer,
        status: status.clone(),
        resampler: Resampler::new(SAMPLE_RATE, rate)?,
        ratio: (SAMPLE_RATE, rate),
        channels: channels.max(1),
        ready: [0.0; 24],
        next: 0,
        count: 0,
        last: 0.0,
        begun: false,
        wake,
    };
    Ok((feed, Playback { samples: producer, status, _device: Box::new(()) }))
}

impl CaptureFeed {
    /// The [`Capture`] is gone.
    pub fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }

    pub fn status(&self) -> Arc<StreamStatus> {
        self.status.clone()
    }

    /// Wakes the media thread without any sound, as when the stream has failed.
    pub fn wake(&self) {
        (self.wake)();
    }

    /// Takes what the device recorded: interleaved frames, `convert` turns a sample into ±1.0.
    pub fn record<T: Copy>(&mut self, data: &[T], convert: impl Fn(T) -> f32) {
        let mut dropped = false;
        for frame in data.chunks(self.channels) {
            let mono = frame.iter().map(|&sample| convert(sample)).sum::<f32>() / self.channels as f32;
            let samples = &mut self.samples;
            self.resampler.push(mono, |sample| dropped |= samples.push(sample).is_err());
        }
        if dropped {
            self.status.glitches.fetch_add(1, Relaxed);
        }
        self.status.block.store(at_48_khz(data.len() / self.channels, self.ratio), Relaxed);
        (self.wake)();
    }
}

impl PlaybackFeed {
    /// The [`Playback`] is gone.
    pub fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }

    pub fn status(&self) -> Arc<StreamStatus> {
        self.status.clone()
    }

    /// Wakes the media thread without any sound, as when the stream has failed.
    pub fn wake(&self) {
        (self.wake)();
    }

    /// Fills what the device wants to play: interleaved frames, all channels alike.
    pub fn play<T: Copy>(&mut self, data: &mut [T], convert: impl Fn(f32) -> T) {
        let mut short = false;
        for frame in data.chunks_mut(self.channels) {
            let sample = self.next_sample(&mut short);
            frame.fill(convert(sample));
        }
        if short && self.begun {
            self.status.glitches.fetch_add(1, Relaxed);
        }
        self.status.block.store(at_48_khz(data.len() / self.channels, self.ratio), Relaxed);
        (self.wake)();
    }

    fn next_sample(&mut self, short: &mut bool) -> f32 {
        // At most as many turns as one sample of the device needs.
        for _ in 0..32 {
            if self.next < self.count {
                break;
            }
            let sample = match self.samples.pop() {
                Ok(sample) => {
                    self.begun = true;
                    sample
                }
                Err(_) => {
                    *short = true;
                    self.last * DECAY
                }
            };
            self.last = sample;
            (self.next, self.count) = (0, 0);
            let (ready, count) = (&mut self.ready, &mut self.count);
            self.resampler.push(sample, |sample| {
                if let Some(place) = ready.get_mut(*count) {
                    *place = sample;
                    *count += 1;
                }
            });
        }
        let sample = self.ready.get(self.next).copied().unwrap_or(0.0);
        self.next += 1;
        sample
    }
}

fn at_48_khz(frames: usize, (to, from): (u32, u32)) -> u32 {
    (frames as u64 * u64::from(to) / u64::from(from.max(1))).min(u32::MAX.into()) as u32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use deskline_core::media::levels::{rms, tone_share};

    use super::*;

    fn no_wake() -> Wake {
        Arc::new(|| {})
    }

    #[test]
    fn every_rate_and_channel_count_is_recorded_as_48_khz_mono() {
        for (rate, channels) in [(8_000, 1), (16_000, 1), (44_100, 2), (48_000, 2), (96_000, 6)] {
            let (mut feed, mut capture) = capture(rate, channels, no_wake()).unwrap();
            let mut heard = Vec::new();
            for block in 0..20 {
                let frames = rate as usize / 100;
                let data: Vec<i16> = (0..frames)
                    .flat_map(|n| {
                        let t = (block * frames + n) as f32 / rate as f32;
                        let sample = ((std::f32::consts::TAU * 500.0 * t).sin() * 16_000.0) as i16;
                        std::iter::repeat_n(sample, channels)
                    })
                    .collect();
                feed.record(&data, |sample| f32::from(sample) / 32_768.0);
                while let Ok(sample) = capture.samples.pop() {
                    heard.push(sample);
                }
            }
            assert!((heard.len() as i64 - 9_600).abs() < 20, "{rate}: {}", heard.len());
            assert!(tone_share(&heard[2_400..], SAMPLE_RATE, 500.0) > 0.99, "{rate}");
            assert!((capture.status.block() as i64 - 480).abs() < 2);
        }
    }

    #[test]
    fn every_rate_and_channel_count_is_played_from_48_khz_mono() {
        for (rate, channels) in [(8_000, 1), (44_100, 2), (48_000, 1), (192_000, 2)] {
            let (mut feed, mut playback) = playback(rate, channels, no_wake()).unwrap();
            let mut heard = Vec::new();
            for block in 0..20 {
                for n in 0..480 {
                    let t = (block * 480 + n) as f32 / 48_000.0;
                    playback.samples.push((std::f32::consts::TAU * 500.0 * t).sin() * 0.5).unwrap();
                }
                let mut data = vec![0.0f32; rate as usize / 100 * channels];
                feed.play(&mut data, |sample| sample);
                heard.extend(data.iter().step_by(channels));
            }
            assert!(tone_share(&heard[rate as usize / 20..], rate, 500.0) > 0.99, "{rate}");
            assert!(rms(&heard[rate as usize / 20..]) > 0.3, "{rate}");
            assert!(playback.status.glitches() <= 2, "{rate}");
        }
    }

    #[test]
    fn a_full_ring_and_an_empty_one_are_counted_not_waited_for() {
        let (mut feed, capture) = capture(48_000, 1, no_wake()).unwrap();
        for _ in 0..60 {
            feed.record(&[0.5f32; 480], |sample| sample);
        }
        assert_eq!(capture.status.glitches(), 10);
        assert_eq!(capture.samples.slots(), RING);

        let (mut feed, mut playback) = playback(48_000, 1, no_wake()).unwrap();
        let mut data = [1.0f32; 480];
        feed.play(&mut data, |sample| sample);
        assert_eq!((playback.status.glitches(), data), (0, [0.0; 480]), "nothing was expected so far");
        playback.samples.push(1.0).unwrap();
        feed.play(&mut data, |sample| sample);
        assert_eq!(playback.status.glitches(), 1);
        assert!(
            data.windows(2).all(|pair| pair[1] < pair[0] && pair[0] - pair[1] < 0.05),
            "a gap begins without a click"
        );
    }

    #[test]
    fn the_first_trouble_is_kept() {
        let status = StreamStatus::default();
        assert_eq!(status.trouble(), None);
        status.fail(DeviceTrouble::Busy);
        status.fail(DeviceTrouble::Failed);
        assert_eq!(status.trouble(), Some(DeviceTrouble::Busy));
    }
}
