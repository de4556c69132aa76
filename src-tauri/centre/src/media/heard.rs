//! What a simulated person hears: the last seconds of it, for tests and measurements.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use deskline_core::media::{SAMPLE_RATE, levels};

use crate::call::CallState;

/// The rate of the captured sound in Hz.
pub const HEARD_RATE: u32 = 16_000;

/// How much of it is kept.
pub const HEARD_SECONDS: usize = 10;

const KEPT: usize = HEARD_RATE as usize * HEARD_SECONDS;
const RATIO: usize = (SAMPLE_RATE / HEARD_RATE) as usize;

/// Digits that are kept.
const MAX_DIGITS: usize = 256;

/// Silence shorter than this since the last packet is jitter, not silence.
const PATIENCE: Duration = Duration::from_millis(60);

/// What is captured.
#[derive(Clone)]
pub(crate) struct Heard {
    samples: VecDeque<i16>,
    /// The rest of a group of samples that one of ours is the mean of.
    sum: f32,
    summed: usize,
    last_packet: Option<Instant>,
    packets: u64,
    digits: String,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            samples: VecDeque::with_capacity(KEPT),
            sum: 0.0,
            summed: 0,
            last_packet: None,
            packets: 0,
            digits: String::new(),
        }
    }
}

impl Heard {
    /// Sound of one packet, at 48 kHz. What was missed since the last one, if it was long, stands as silence.
    pub(crate) fn add(&mut self, now: Instant, samples: &[f32]) {
        let silent = self.silence(now);
        self.samples.extend(std::iter::repeat_n(0, silent));
        for &sample in samples {
            self.sum += sample;
            self.summed += 1;
            if self.summed == RATIO {
                let mean = self.sum / RATIO as f32;
                self.samples.push_back((mean * 32_767.0) as i16);
                (self.sum, self.summed) = (0.0, 0);
            }
        }
        let excess = self.samples.len().saturating_sub(KEPT);
        self.samples.drain(..excess);
        self.last_packet = Some(now);
        self.packets += 1;
    }

    pub(crate) fn add_digit(&mut self, digit: char) {
        if self.digits.len() < MAX_DIGITS {
            self.digits.push(digit);
        }
    }

    pub(crate) fn probe(&self, now: Instant, state: CallState, packets_sent: u64) -> CallProbe {
        let silent = self.silence(now);
        let mut samples: Vec<i16> = self.samples.iter().copied().chain(std::iter::repeat_n(0, silent)).collect();
        let excess = samples.len().saturating_sub(KEPT);
        samples.drain(..excess);
        CallProbe { state, samples, digits: self.digits.clone(), packets_received: self.packets, packets_sent }
    }

    /// Samples of ours that no packet filled since the last.
    fn silence(&self, now: Instant) -> usize {
        let since = self.last_packet.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let seconds = since.saturating_sub(PATIENCE).as_secs_f32().min(HEARD_SECONDS as f32);
        (seconds * HEARD_RATE as f32) as usize
    }
}

/// What the simulated side of a call has heard up to now.
#[derive(Clone, PartialEq)]
pub struct CallProbe {
    pub state: CallState,
    /// The last [`HEARD_SECONDS`] at most, at [`HEARD_RATE`], oldest first; silence where nothing came.
    pub samples: Vec<i16>,
    /// Digits received, by RFC 4733 or INFO, in order.
    pub digits: String,
    /// RTP packets of the negotiated codec.
    pub packets_received: u64,
    pub packets_sent: u64,
}

impl fmt::Debug for CallProbe {
    /// Neither sound nor digits: they are the agent's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallProbe")
            .field("state", &self.state)
            .field("packets_received", &self.packets_received)
            .field("packets_sent", &self.packets_sent)
            .finish_non_exhaustive()
    }
}

impl CallProbe {
    /// The last `window` of it, ±1.0; shorter if there is not so much.
    pub fn last(&self, window: Duration) -> Vec<f32> {
        let wanted = (window.as_secs_f32() * HEARD_RATE as f32) as usize;
        let from = self.samples.len().saturating_sub(wanted);
        self.samples[from..].iter().map(|&sample| f32::from(sample) / 32_768.0).collect()
    }

    /// The level of the last `window`, in dBFS.
    pub fn level_dbfs(&self, window: Duration) -> f32 {
        levels::dbfs(levels::rms(&self.last(window)))
    }

    /// Which share of the energy of the last `window` is a tone of `frequency` Hz, 0.0..=1.0.
    pub fn tone_share(&self, frequency: f32, window: Duration) -> f32 {
        levels::tone_share(&self.last(window), HEARD_RATE, frequency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_newest() {
        let mut heard = Heard::default();
        let now = Instant::now();
        heard.add(now, &vec![0.1; SAMPLE_RATE as usize * 8]);
        heard.add(now, &vec![0.5; SAMPLE_RATE as usize * 8]);
        let probe = heard.probe(now, CallState::Talking, 0);
        assert_eq!(probe.samples.len(), KEPT);
        assert!((f32::from(probe.samples[KEPT - 1]) / 32_768.0 - 0.5).abs() < 0.01);
        assert!((f32::from(probe.samples[0]) / 32_768.0 - 0.1).abs() < 0.01);
    }

    #[test]
    fn what_did_not_come_counts_as_silence() {
        let mut heard = Heard::default();
        let now = Instant::now();
        heard.add(now, &[0.5; 960]);
        let window = Duration::from_millis(500);
        assert!(heard.probe(now, CallState::Talking, 0).level_dbfs(window) > -10.0);
        let later = heard.probe(now + Duration::from_secs(2), CallState::Talking, 0);
        assert!(later.level_dbfs(window) < -90.0);
    }
}
