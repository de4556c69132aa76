//! Adding and weighing sound without clicks and without overflow.

/// Above this amplitude sound is bent instead of cut.
const KNEE: f32 = 0.7;

/// The gain of a volume control at `percent` (0..=100): 0 is silence, 100 leaves the sound as it is, 50 is −12 dB.
pub fn volume_gain(percent: u8) -> f32 {
    (f32::from(percent.min(100)) / 100.0).powi(2)
}

/// Adds `sound` to `sum`.
pub fn add(sum: &mut [f32], sound: &[f32]) {
    for (sum, sample) in sum.iter_mut().zip(sound) {
        *sum += sample;
    }
}

/// Keeps `sound` within ±1.0: quiet sound stays as it is, loud sound is bent smoothly, and what is no number is silence.
pub fn limit(sound: &mut [f32]) {
    for sample in sound {
        let size = sample.abs();
        if !sample.is_finite() {
            *sample = 0.0;
        } else if size > KNEE {
            let room = 1.0 - KNEE;
            *sample = sample.signum() * (KNEE + room * ((size - KNEE) / room).tanh());
        }
    }
}

/// A gain that moves to a new value over one block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    now: f32,
    target: f32,
}

impl Gain {
    pub fn new(gain: f32) -> Self {
        Self { now: gain, target: gain }
    }

    pub fn set(&mut self, gain: f32) {
        self.target = gain;
    }

    pub fn is_silent(&self) -> bool {
        self.now == 0.0 && self.target == 0.0
    }

    pub fn apply(&mut self, sound: &mut [f32]) {
        let step = (self.target - self.now) / sound.len().max(1) as f32;
        for sample in sound {
            self.now += step;
            *sample *= self.now;
        }
        self.now = self.target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_sound_is_untouched_and_loud_sound_stays_in_bounds() {
        let mut sound = [0.1, -0.5, 0.9, -3.0, 100.0, f32::NAN, f32::INFINITY];
        limit(&mut sound);
        assert_eq!(sound[..2], [0.1, -0.5]);
        assert!(sound.iter().all(|sample| sample.abs() <= 1.0), "{sound:?}");
        assert!(sound[2] < sound[4] && sound[3] < -0.9);
    }

    #[test]
    fn a_gain_changes_without_a_step() {
        let mut gain = Gain::new(1.0);
        gain.set(0.0);
        let mut sound = [1.0; 480];
        gain.apply(&mut sound);
        assert!(sound.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.01));
        assert!(gain.is_silent());
        gain.apply(&mut sound);
        assert_eq!(sound, [0.0; 480]);
    }

    #[test]
    fn the_volume_runs_from_silence_to_unity() {
        assert_eq!(volume_gain(0), 0.0);
        assert_eq!(volume_gain(100), 1.0);
        assert_eq!(volume_gain(200), 1.0);
        assert!((volume_gain(50) - 0.25).abs() < 1e-6);
    }
}
