//! A little tune, in five notes to the octave, with a bass below it: for a customer who would rather hum than speak.

use deskline_core::media::SAMPLE_RATE;

/// The tune: degrees of the scale, and eighths of a bar that each lasts. `REST` is silent.
const TUNE: [(i8, u8); 22] = [
    (4, 2),
    (5, 1),
    (4, 1),
    (2, 2),
    (1, 2),
    (2, 1),
    (4, 1),
    (5, 2),
    (7, 2),
    (REST, 2),
    (7, 1),
    (6, 1),
    (5, 2),
    (4, 1),
    (2, 1),
    (1, 2),
    (0, 2),
    (1, 1),
    (2, 1),
    (0, 2),
    (-1, 1),
    (REST, 1),
];
const REST: i8 = i8::MIN;

/// The bass, one degree every four eighths.
const BASS: [i8; 8] = [0, 0, 3, 3, 4, 4, 2, 0];

/// Semitones of the scale's five degrees.
const SCALE: [i32; 5] = [0, 2, 4, 7, 9];

/// The lowest note of the tune's octave: D4.
const TONIC_HZ: f32 = 293.66;

/// An eighth: 190 ms.
const EIGHTH: u32 = SAMPLE_RATE / 1_000 * 190;

/// A note that is followed by another dies within 30 ms.
const DAMPING: u32 = SAMPLE_RATE / 1_000 * 30;

const GAIN: f32 = 0.17;

/// The tune, again and again.
#[derive(Debug, Clone)]
pub struct Melody {
    tune: Voice,
    bass: Voice,
    note: usize,
    /// Samples until the next note, and until the next of the bass.
    note_left: u32,
    bass_note: usize,
    bass_left: u32,
}

impl Default for Melody {
    fn default() -> Self {
        Self::new()
    }
}

impl Melody {
    pub fn new() -> Self {
        Self { tune: Voice::default(), bass: Voice::default(), note: 0, note_left: 0, bass_note: 0, bass_left: 0 }
    }

    pub(super) fn next_sample(&mut self) -> f32 {
        if self.note_left == 0 {
            let (degree, eighths) = TUNE[self.note];
            self.note = (self.note + 1) % TUNE.len();
            self.note_left = EIGHTH * u32::from(eighths);
            if degree != REST {
                self.tune.strike(Pluck::new(frequency(degree), 0.55));
            }
        }
        if self.bass_left == 0 {
            self.bass.strike(Pluck::new(frequency(BASS[self.bass_note]) / 2.0, 0.9));
            self.bass_note = (self.bass_note + 1) % BASS.len();
            self.bass_left = EIGHTH * 4;
        }
        self.note_left -= 1;
        self.bass_left -= 1;
        (self.tune.next_sample() + 0.6 * self.bass.next_sample()) * GAIN
    }
}

/// The pitch of a degree, which may lie outside the octave.
fn frequency(degree: i8) -> f32 {
    let degree = i32::from(degree);
    let semitones = 12 * degree.div_euclid(5) + SCALE[degree.rem_euclid(5) as usize];
    TONIC_HZ * (semitones as f32 / 12.0).exp2()
}

/// One note after another, each damped when the next is struck: cut off it would click.
#[derive(Debug, Clone)]
struct Voice {
    now: Pluck,
    before: Pluck,
    /// Samples since `now` was struck.
    struck: u32,
}

impl Default for Voice {
    fn default() -> Self {
        Self { now: Pluck::silent(), before: Pluck::silent(), struck: 0 }
    }
}

impl Voice {
    fn strike(&mut self, note: Pluck) {
        self.before = std::mem::replace(&mut self.now, note);
        self.struck = 0;
    }

    fn next_sample(&mut self) -> f32 {
        let damping = 1.0 - self.struck as f32 / DAMPING as f32;
        let before = if damping > 0.0 { self.before.next_sample() * damping } else { 0.0 };
        self.struck = self.struck.saturating_add(1);
        self.now.next_sample() + before
    }
}

/// A note that fades: four partials, the higher the sooner gone.
#[derive(Debug, Clone)]
struct Pluck {
    frequency: f32,
    /// Seconds in which the sound falls to a third.
    fade: f32,
    sample: u32,
}

impl Pluck {
    fn new(frequency: f32, fade: f32) -> Self {
        Self { frequency, fade, sample: 0 }
    }

    fn silent() -> Self {
        Self { frequency: 0.0, fade: 1.0, sample: 0 }
    }

    fn next_sample(&mut self) -> f32 {
        let t = self.sample as f32 / SAMPLE_RATE as f32;
        self.sample = self.sample.saturating_add(1);
        let attack = (t / 0.006).min(1.0);
        let partials = [(1.0, 1.0), (2.0, 0.45), (3.0, 0.2), (4.0, 0.1)];
        let sum: f32 = partials
            .iter()
            .map(|&(number, share)| {
                let turns = (self.frequency * number * t).fract();
                share * (std::f32::consts::TAU * turns).sin() * (-t * number / self.fade).exp()
            })
            .sum();
        sum * attack
    }
}
