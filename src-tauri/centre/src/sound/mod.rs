//! The sounds that simulated people make. All of it is computed here: nothing is recorded, nothing is borrowed.
//!
//! Sound is mono at 48 kHz, ±1.0, made frame by frame as it is needed.

mod melody;
mod speech;

pub use melody::Melody;
pub use speech::{Speaker, Speech};

use deskline_core::media::SAMPLE_RATE;

/// The level that speech and melody have on the average, in dBFS.
pub const NOMINAL_DBFS: f32 = -20.0;

/// The frequency of the test tone ("milliwatt"), in Hz: a prime distance from every multiple of the frame rate.
pub const TEST_TONE_HZ: f32 = 1004.0;

/// The amplitude of the test tone: −16 dBFS.
const TEST_TONE_AMPLITUDE: f32 = 0.158_5;

/// Something to listen to, without an end.
#[derive(Debug, Clone)]
pub enum Sound {
    Speech(Speech),
    Melody(Melody),
    Tone(Tone),
}

impl Sound {
    /// The next `out.len()` samples.
    pub fn fill(&mut self, out: &mut [f32]) {
        match self {
            Self::Speech(speech) => out.fill_with(|| speech.next_sample()),
            Self::Melody(melody) => out.fill_with(|| melody.next_sample()),
            Self::Tone(tone) => out.fill_with(|| tone.next_sample()),
        }
    }
}

/// A steady sine.
#[derive(Debug, Clone)]
pub struct Tone {
    amplitude: f32,
    /// Turns, 0.0..1.0.
    phase: f64,
    step: f64,
}

impl Tone {
    /// `frequency` in Hz, `amplitude` of full scale.
    pub fn new(frequency: f32, amplitude: f32) -> Self {
        Self { amplitude, phase: 0.0, step: f64::from(frequency) / f64::from(SAMPLE_RATE) }
    }

    /// 1004 Hz at −16 dBFS.
    pub fn test() -> Self {
        Self::new(TEST_TONE_HZ, TEST_TONE_AMPLITUDE)
    }

    fn next_sample(&mut self) -> f32 {
        let sample = (self.phase * std::f64::consts::TAU).sin() as f32 * self.amplitude;
        self.phase = (self.phase + self.step).fract();
        sample
    }
}

/// A small generator (xorshift) for the variety of a voice: its quality matters to no one, its repeatability to tests.
#[derive(Debug, Clone)]
struct Variety(u64);

impl Variety {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0.0..1.0.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Between the two.
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[(self.next() >> 33) as usize % from.len()]
    }
}

#[cfg(test)]
mod tests {
    use deskline_core::media::levels::{dbfs, peak, rms, tone_share};

    use super::*;

    fn sounded(mut sound: Sound, seconds: usize) -> Vec<f32> {
        let mut out = vec![0.0; seconds * SAMPLE_RATE as usize];
        sound.fill(&mut out);
        out
    }

    #[test]
    fn every_voice_is_near_the_nominal_level_and_never_clips() {
        for speaker in [Speaker::WOMAN, Speaker::MAN] {
            for seed in 0..8 {
                let heard = sounded(Sound::Speech(Speech::new(speaker, seed)), 6);
                let level = dbfs(rms(&heard));
                assert!((level - NOMINAL_DBFS).abs() < 3.0, "{speaker:?} {seed}: {level} dBFS");
                assert!(peak(&heard) < 0.9, "{speaker:?} {seed}: {}", peak(&heard));
            }
        }
        let heard = sounded(Sound::Melody(Melody::new()), 8);
        let level = dbfs(rms(&heard));
        assert!((level - NOMINAL_DBFS).abs() < 3.0, "melody: {level} dBFS");
        assert!(peak(&heard) < 0.9, "{}", peak(&heard));
    }

    #[test]
    fn speech_pauses_and_is_no_tone() {
        let heard = sounded(Sound::Speech(Speech::new(Speaker::WOMAN, 3)), 6);
        let loud = heard.chunks(960).filter(|frame| rms(frame) > 0.03).count();
        let quiet = heard.chunks(960).filter(|frame| rms(frame) < 0.005).count();
        assert!(loud > 100 && quiet > 15, "{loud} frames with speech, {quiet} without, of 300");
        for frequency in [200.0, 425.0, 1000.0] {
            assert!(tone_share(&heard, SAMPLE_RATE, frequency) < 0.05);
        }
    }

    #[test]
    fn the_same_seed_says_the_same_and_another_something_else() {
        let said = |seed| sounded(Sound::Speech(Speech::new(Speaker::MAN, seed)), 1);
        assert_eq!(said(1), said(1));
        assert_ne!(said(1), said(2));
    }

    #[test]
    fn the_test_tone_is_pure() {
        let heard = sounded(Sound::Tone(Tone::test()), 1);
        assert!(tone_share(&heard, SAMPLE_RATE, TEST_TONE_HZ) > 0.999);
    }
}
