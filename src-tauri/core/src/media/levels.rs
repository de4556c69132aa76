//! How loud sound is, and whether a certain tone is in it.

/// What silence is shown as, in dBFS.
pub const SILENCE_DBFS: f32 = -96.0;

/// A linear amplitude (1.0 is full scale) in dBFS, never below [`SILENCE_DBFS`].
pub fn dbfs(amplitude: f32) -> f32 {
    if amplitude <= 0.0 { SILENCE_DBFS } else { (20.0 * amplitude.log10()).max(SILENCE_DBFS) }
}

/// The linear amplitude of a level in dBFS.
pub fn amplitude(dbfs: f32) -> f32 {
    10f32.powf(dbfs / 20.0)
}

/// The largest amplitude.
pub fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// The root of the mean square. A sine of amplitude 1.0 has 0.707 (−3 dBFS).
pub fn rms(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
}

/// The amplitude of the sine of `frequency` Hz in `samples` (Goertzel's algorithm). A sine of amplitude 1.0 yields about
/// 1.0 where the block holds many of its periods.
pub fn tone_amplitude(samples: &[f32], sample_rate: u32, frequency: f32) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let angle = std::f64::consts::TAU * f64::from(frequency) / f64::from(sample_rate);
    let coefficient = 2.0 * angle.cos();
    let (mut last, mut before) = (0.0f64, 0.0f64);
    for &sample in samples {
        (last, before) = (f64::from(sample) + coefficient * last - before, last);
    }
    let power = last * last + before * before - coefficient * last * before;
    (2.0 * power.max(0.0).sqrt() / samples.len() as f64) as f32
}

/// The part of the energy of `samples` that lies in the sine of `frequency` Hz: 1.0 for that tone alone, 0.0 without it.
pub fn tone_share(samples: &[f32], sample_rate: u32, frequency: f32) -> f32 {
    let energy = 2.0 * rms(samples).powi(2);
    if energy < 1e-9 { 0.0 } else { (tone_amplitude(samples, sample_rate, frequency).powi(2) / energy).min(1.0) }
}

/// The peak since it was last asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeakMeter {
    peak: f32,
}

impl PeakMeter {
    pub fn add(&mut self, samples: &[f32]) {
        self.peak = self.peak.max(peak(samples));
    }

    /// In dBFS; begins anew.
    pub fn take_dbfs(&mut self) -> f32 {
        dbfs(std::mem::take(&mut self.peak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(frequency: f32, amplitude: f32) -> Vec<f32> {
        (0..4800).map(|n| amplitude * (std::f32::consts::TAU * frequency * n as f32 / 48_000.0).sin()).collect()
    }

    #[test]
    fn a_sine_of_half_scale_is_6_db_below_its_peak_and_9_below_in_rms() {
        let sound = sine(1000.0, 0.5);
        assert!((dbfs(peak(&sound)) + 6.02).abs() < 0.05);
        assert!((dbfs(rms(&sound)) + 9.03).abs() < 0.05);
        assert_eq!(dbfs(0.0), SILENCE_DBFS);
        assert!((amplitude(-6.02) - 0.5).abs() < 0.001);
        assert_eq!(rms(&[]), 0.0);
    }

    #[test]
    fn a_tone_is_found_among_others() {
        let sound: Vec<f32> = sine(700.0, 0.3).iter().zip(sine(1900.0, 0.1)).map(|(a, b)| a + b).collect();
        assert!((tone_amplitude(&sound, 48_000, 700.0) - 0.3).abs() < 0.01);
        assert!((tone_amplitude(&sound, 48_000, 1900.0) - 0.1).abs() < 0.01);
        assert!(tone_amplitude(&sound, 48_000, 1200.0) < 0.01);
        assert!(tone_share(&sine(700.0, 0.01), 48_000, 700.0) > 0.99);
        assert!(tone_share(&sound, 48_000, 1900.0) < 0.2);
    }

    #[test]
    fn the_meter_holds_the_peak_until_it_is_asked() {
        let mut meter = PeakMeter::default();
        meter.add(&[0.1, -0.5]);
        meter.add(&[0.2]);
        assert!((meter.take_dbfs() + 6.02).abs() < 0.05);
        assert_eq!(meter.take_dbfs(), SILENCE_DBFS);
    }
}
