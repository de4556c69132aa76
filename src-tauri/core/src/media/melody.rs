//! The music on hold: a small piece of our own in pentatonic C, plucked softly, 32 beats long, made as it is played.

use super::SAMPLE_RATE;

/// One beat of an eighth note: 96 quarters in a minute.
const BEAT: u32 = SAMPLE_RATE * 60 / 96 / 2;

/// How loud, before the notes' own decay.
const LEVEL: f32 = 0.11;

/// Notes that sound together at most.
const VOICES: usize = 6;

/// The tune: a MIDI note for each beat, 0 is a rest.
const TUNE: [u8; 64] = [
    76, 0, 79, 0, 81, 0, 79, 76, 74, 0, 76, 0, 72, 0, 0, 0, 74, 0, 76, 79, 76, 0, 74, 72, 69, 0, 72, 0, 67, 0, 0,
    0, //
    69, 0, 72, 74, 76, 0, 79, 0, 81, 79, 76, 0, 74, 0, 0, 0, 72, 0, 74, 76, 74, 0, 72, 69, 67, 0, 69, 0, 72, 0, 0, 0,
];

/// The bass: one for eight beats, broken into its chord.
const CHORDS: [[u8; 4]; 8] = [
    [48, 55, 60, 64],
    [45, 52, 57, 60],
    [41, 48, 53, 57],
    [43, 50, 55, 59],
    [45, 52, 57, 60],
    [41, 48, 53, 57],
    [43, 50, 55, 62],
    [48, 55, 60, 64],
];

/// Plays the music round and round.
#[derive(Debug, Clone)]
pub struct Melody {
    beat: usize,
    /// Samples until the next beat.
    left: u32,
    voices: [Voice; VOICES],
    next_voice: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Voice {
    phase: f32,
    /// Turns for each sample.
    step: f32,
    gain: f32,
    attack: f32,
}

impl Default for Melody {
    fn default() -> Self {
        Self { beat: 0, left: 0, voices: [Voice::default(); VOICES], next_voice: 0 }
    }
}

impl Melody {
    /// Fills `out` with the next samples.
    pub fn fill(&mut self, out: &mut [f32]) {
        for sample in out {
            if self.left == 0 {
                self.strike();
                self.left = BEAT;
            }
            self.left -= 1;
            *sample = self.voices.iter_mut().map(Voice::sample).sum();
        }
    }

    fn strike(&mut self) {
        let beat = self.beat % TUNE.len();
        self.beat = beat + 1;
        let chord = CHORDS[beat / 8];
        let bass = [Some(0), None, Some(1), None, Some(2), None, Some(3), None][beat % 8].map(|n: usize| chord[n]);
        if TUNE[beat] > 0 {
            self.begin(TUNE[beat], LEVEL);
        }
        if let Some(note) = bass {
            self.begin(note, LEVEL * 0.7);
        }
    }

    fn begin(&mut self, note: u8, level: f32) {
        let frequency = 440.0 * ((f32::from(note) - 69.0) / 12.0).exp2();
        self.voices[self.next_voice] =
            Voice { phase: 0.0, step: frequency / SAMPLE_RATE as f32, gain: level, attack: 0.0 };
        self.next_voice = (self.next_voice + 1) % VOICES;
    }
}

impl Voice {
    fn sample(&mut self) -> f32 {
        if self.gain < 1e-5 {
            return 0.0;
        }
        self.phase = (self.phase + self.step).fract();
        // Struck over 8 ms, halved every 0.35 s.
        self.attack = (self.attack + 1.0 / 384.0).min(1.0);
        self.gain *= 0.999_958_7;
        let turn = std::f32::consts::TAU * self.phase;
        self.gain * self.attack * (turn.sin() + 0.25 * (2.0 * turn).sin())
    }
}

#[cfg(test)]
mod tests {
    use super::super::levels::{peak, rms};
    use super::*;

    #[test]
    fn it_is_never_silent_for_long_nor_too_loud_and_goes_round() {
        let mut melody = Melody::default();
        let round = (BEAT as usize) * TUNE.len();
        let mut sound = vec![0.0; round * 2 + 48_000];
        sound.chunks_mut(480).for_each(|frame| melody.fill(frame));
        assert!(peak(&sound) < 0.6, "{}", peak(&sound));
        assert!(sound.chunks(24_000).all(|half_second| rms(half_second) > 0.01));
        // The second round is the first again, but for what still sounds of the first.
        let difference: Vec<f32> =
            sound[round + 24_000..round + 48_000].iter().zip(&sound[24_000..48_000]).map(|(a, b)| a - b).collect();
        assert!(rms(&difference) < 0.3 * rms(&sound[24_000..48_000]));
    }

    #[test]
    fn it_has_no_clicks() {
        let mut sound = vec![0.0; 48_000 * 22];
        Melody::default().fill(&mut sound);
        let step = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.06, "{step}");
    }
}
