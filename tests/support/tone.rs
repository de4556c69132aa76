//! Sine tones, and how much of a sound is one.

use std::f64::consts::TAU;

/// A sine of `hz` at `rate` samples a second; `amplitude` 0..=1 of full scale.
pub fn sine(hz: f64, rate: u32, samples: usize, amplitude: f64) -> Vec<i16> {
    (0..samples)
        .map(|n| ((TAU * hz * n as f64 / f64::from(rate)).sin() * amplitude * f64::from(i16::MAX)) as i16)
        .collect()
}

/// The share of the sound's energy that lies at `hz`: 1 for that pure tone, near 0 for anything else and for silence.
///
/// Goertzel's algorithm over blocks of 20 ms, so that a jump of phase (a lost packet, a resampler's correction of
/// clock drift) does not hide a tone that anyone would hear.
pub fn share(sound: &[i16], rate: u32, hz: f64) -> f64 {
    let block = (rate / 50) as usize;
    let (mut at_hz, mut whole) = (0.0, 0.0);
    for block in sound.chunks_exact(block) {
        at_hz += power(block, rate, hz);
        whole += block.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
    }
    if whole < 1.0 { 0.0 } else { (at_hz / whole).min(1.0) }
}

/// The loudness in dB below full scale of a sine; −120 for silence.
pub fn level(sound: &[i16]) -> f64 {
    let square = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / sound.len().max(1) as f64;
    let full = f64::from(i16::MAX).powi(2) / 2.0;
    if square < 1e-3 { -120.0 } else { 10.0 * (square / full).log10() }
}

/// The energy at `hz` in one block.
fn power(block: &[i16], rate: u32, hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / f64::from(rate)).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for &sample in block {
        let s0 = f64::from(sample) + coefficient * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    (s1 * s1 + s2 * s2 - coefficient * s1 * s2) * 2.0 / block.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tone_is_found_at_its_own_frequency_only() {
        let sound = sine(440.0, 48_000, 48_000, 0.3);
        assert!(share(&sound, 48_000, 440.0) > 0.95);
        assert!(share(&sound, 48_000, 1000.0) < 0.05);
    }

    #[test]
    fn of_two_tones_each_has_its_half() {
        let one = sine(600.0, 48_000, 48_000, 0.3);
        let two = sine(1500.0, 48_000, 48_000, 0.3);
        let both: Vec<i16> = one.iter().zip(&two).map(|(a, b)| a + b).collect();
        assert!((share(&both, 48_000, 600.0) - 0.5).abs() < 0.05);
        assert!((share(&both, 48_000, 1500.0) - 0.5).abs() < 0.05);
    }

    #[test]
    fn silence_has_no_tone_and_no_level() {
        assert_eq!(share(&[0; 4800], 48_000, 440.0), 0.0);
        assert_eq!(level(&[0; 4800]), -120.0);
    }

    #[test]
    fn level_of_full_scale_sine_is_zero() {
        assert!(level(&sine(1000.0, 48_000, 48_000, 1.0)).abs() < 0.1);
    }
}
