//! Changing the sample rate, by an exact ratio.

use std::f64::consts::PI;

/// Zero crossings of the interpolating kernel on each side of its centre. Ten give 1.25 ms of delay against 8 kHz, and
/// keep images and aliases below −50 dB.
const CROSSINGS: usize = 10;

/// The part of the narrower band that is kept.
const PASS_BAND: f64 = 0.92;

/// The shape of the window (Kaiser): about 55 dB.
const BETA: f64 = 5.0;

/// The most kernel points that are tabulated; rates whose ratio needs more are refused.
const MAX_TABLE: usize = 1 << 19;

/// Turns sound of one sample rate into another, sample by sample, without allocation after its making. Its delay is
/// [`Resampler::delay`].
#[derive(Debug, Clone)]
pub struct Resampler {
    /// `up` outputs for each `down` inputs.
    up: usize,
    down: usize,
    taps: usize,
    /// For each of the `up` phases, `taps` weights, the newest sample's last.
    kernel: Box<[f32]>,
    /// The last `taps` samples, twice in a row, so that they are always readable in one piece.
    history: Box<[f32]>,
    at: usize,
    phase: usize,
}

/// The two rates cannot be converted: one is zero or absurd, or their ratio is not of small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot convert {from} Hz to {to} Hz")]
pub struct Unsupported {
    pub from: u32,
    pub to: u32,
}

impl Resampler {
    /// From and to are in Hz: 4,000..=768,000.
    pub fn new(from: u32, to: u32) -> Result<Self, Unsupported> {
        let unsupported = Unsupported { from, to };
        if !(4_000..=768_000).contains(&from) || !(4_000..=768_000).contains(&to) {
            return Err(unsupported);
        }
        let divisor = greatest_common_divisor(from, to);
        let (up, down) = ((to / divisor) as usize, (from / divisor) as usize);
        if up == down {
            return Ok(Self {
                up: 1,
                down: 1,
                taps: 1,
                kernel: [1.0].into(),
                history: [0.0; 2].into(),
                at: 0,
                phase: 0,
            });
        }
        // The kernel is as long, in input samples, as the narrower of the two bands demands.
        let narrowing = (f64::from(to) / f64::from(from)).min(1.0);
        let taps = (2.0 * CROSSINGS as f64 / narrowing).ceil() as usize;
        if taps * up > MAX_TABLE {
            return Err(unsupported);
        }
        let cutoff = narrowing * PASS_BAND;
        let mut kernel = Vec::with_capacity(taps * up);
        for phase in 0..up {
            let first = kernel.len();
            for tap in 0..taps {
                // The distance, in input samples, from the point that is interpolated.
                let distance = tap as f64 - (taps as f64 / 2.0 - 1.0) - phase as f64 / up as f64;
                let window = kaiser(distance / (taps as f64 / 2.0));
                kernel.push((cutoff * sinc(cutoff * distance) * window) as f32);
            }
            // The same gain in every phase: a constant stays a constant.
            let sum: f32 = kernel[first..].iter().sum();
            kernel[first..].iter_mut().for_each(|weight| *weight /= sum);
        }
        Ok(Self { up, down, taps, kernel: kernel.into(), history: vec![0.0; 2 * taps].into(), at: 0, phase: 0 })
    }

    /// Takes one sample, and hands out those that follow from it: none, one or several.
    pub fn push(&mut self, sample: f32, mut emit: impl FnMut(f32)) {
        self.history[self.at] = sample;
        self.history[self.at + self.taps] = sample;
        self.at = (self.at + 1) % self.taps;
        while self.phase < self.up {
            let kernel = &self.kernel[self.phase * self.taps..][..self.taps];
            let past = &self.history[self.at..][..self.taps];
            emit(kernel.iter().zip(past).map(|(weight, sample)| weight * sample).sum());
            self.phase += self.down;
        }
        self.phase -= self.up;
    }

    /// Converts a block into `out` and returns how many samples it gave; what does not fit is dropped.
    pub fn process(&mut self, input: &[f32], out: &mut [f32]) -> usize {
        let mut count = 0;
        for &sample in input {
            self.push(sample, |sample| {
                if let Some(place) = out.get_mut(count) {
                    *place = sample;
                    count += 1;
                }
            });
        }
        count
    }

    /// How much later the sound comes out, in seconds, at a rate of `from` Hz (the one given to [`Resampler::new`]).
    pub fn delay(&self, from: u32) -> f64 {
        if self.taps == 1 { 0.0 } else { self.taps as f64 / 2.0 / f64::from(from) }
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window at −1..=1.
fn kaiser(x: f64) -> f64 {
    if x.abs() > 1.0 { 0.0 } else { bessel(BETA * (1.0 - x * x).sqrt()) / bessel(BETA) }
}

/// The modified Bessel function of the first kind and order zero.
fn bessel(x: f64) -> f64 {
    let mut sum = 1.0;
    let mut term = 1.0;
    for k in 1..32 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::levels::{rms, tone_amplitude};
    use super::*;

    fn sine(rate: u32, frequency: f32, seconds: f32) -> Vec<f32> {
        let step = std::f32::consts::TAU * frequency / rate as f32;
        (0..(rate as f32 * seconds) as usize).map(|n| (step * n as f32).sin()).collect()
    }

    fn converted(from: u32, to: u32, input: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; input.len() * 8];
        let count = Resampler::new(from, to).unwrap().process(input, &mut out);
        out.truncate(count);
        out
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_level_at_every_rate() {
        for other in [8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000] {
            for (from, to) in [(other, 48_000), (48_000, other)] {
                let out = converted(from, to, &sine(from, 1000.0, 0.5));
                let expected = to as f32 / 2.0;
                assert!((out.len() as f32 - expected).abs() <= 8.0, "{from} → {to}: {} samples", out.len());
                let settled = &out[out.len() / 5..];
                let level = tone_amplitude(settled, to, 1000.0);
                assert!((level - 1.0).abs() < 0.02, "{from} → {to}: {level}");
                // What is not the tone is noise of the conversion.
                let noise = (rms(settled).powi(2) - level * level / 2.0).max(0.0).sqrt();
                assert!(noise < 0.02, "{from} → {to}: {noise}");
            }
        }
    }

    #[test]
    fn what_the_narrow_band_cannot_carry_is_removed() {
        let out = converted(48_000, 8_000, &sine(48_000, 5_500.0, 0.5));
        assert!(rms(&out[400..]) < 0.005, "{}", rms(&out[400..]));
    }

    #[test]
    fn a_constant_stays_a_constant() {
        for value in converted(8_000, 48_000, &[0.5; 800]).iter().skip(200) {
            assert!((value - 0.5).abs() < 1e-4);
        }
    }

    #[test]
    fn the_delay_is_that_of_half_the_kernel() {
        let mut input = vec![0.0; 400];
        input[100] = 1.0;
        let out = converted(8_000, 48_000, &input);
        let peak = (0..out.len()).max_by(|&a, &b| out[a].total_cmp(&out[b])).unwrap();
        let delay = (peak as f64 - 600.0) / 48_000.0;
        let promised = Resampler::new(8_000, 48_000).unwrap().delay(8_000);
        assert!((delay - promised).abs() < 0.0002, "{delay} {promised}");
        assert!(promised < 0.0015);
    }

    #[test]
    fn absurd_rates_are_refused() {
        assert!(Resampler::new(0, 48_000).is_err());
        assert!(Resampler::new(44_101, 48_000).is_err());
    }
}
