//! Babble: syllables with the melody, the rhythm and the vowels of speech, and no words.
//!
//! A source (glottal pulses, breath and hiss) passes through resonators in a row, which stand for the throat and mouth;
//! their frequencies glide from vowel to vowel, the pitch follows one of four contours within each syllable and sinks
//! along the sentence.

use deskline_core::media::SAMPLE_RATE;

use super::Variety;

/// The resonances of one vowel in Hz, for a man.
type Vowel = [f32; 3];

const VOWELS: [Vowel; 7] = [
    [730.0, 1_220.0, 2_500.0], // a
    [530.0, 1_840.0, 2_480.0], // e
    [300.0, 2_250.0, 2_950.0], // i
    [520.0, 900.0, 2_450.0],   // o
    [330.0, 850.0, 2_300.0],   // u
    [500.0, 1_350.0, 2_350.0], // ə
    [300.0, 1_900.0, 2_150.0], // ü
];

/// Bandwidths of the resonances, the fourth being fixed.
const BANDWIDTHS: [f32; 4] = [80.0, 100.0, 140.0, 250.0];
const FOURTH_HZ: f32 = 3_500.0;

/// How much the upper part of the voice is raised: 3 dB at 2 kHz, 6 dB at 4 kHz.
const BRIGHTNESS: f32 = 0.75;

/// The resonators are tuned again every millisecond.
const RETUNE: u32 = SAMPLE_RATE / 1_000;

const MILLISECOND: f32 = SAMPLE_RATE as f32 / 1_000.0;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speaker {
    /// The pitch in the middle of the range, in Hz.
    pub pitch: f32,
    /// The length of the throat, inverted: 1.0 a man's.
    pub throat: f32,
    /// What brings the voice to the nominal level.
    gain: f32,
}

impl Speaker {
    pub const WOMAN: Self = Self { pitch: 208.0, throat: 1.17, gain: 0.42 };
    pub const MAN: Self = Self { pitch: 118.0, throat: 1.0, gain: 0.93 };
}

/// Somebody who speaks without an end, a sentence after another.
#[derive(Debug, Clone)]
pub struct Speech {
    speaker: Speaker,
    variety: Variety,
    now: Segment,
    /// Samples of `now` that are over.
    position: u32,
    /// Syllables until the sentence ends, and how many it has.
    left: u8,
    length: u8,
    /// Where the mouth stands: the last vowel.
    mouth: Vowel,
    /// Turns of the vocal cords, 0.0..1.0.
    phase: f32,
    pitch: f32,
    resonators: [Resonator; 4],
    hiss: Resonator,
    /// The slope of the source between two samples (lips radiate the change of pressure).
    last: f32,
    /// The sample before the last, ahead of the brightening.
    dull: f32,
}

#[derive(Debug, Clone)]
enum Segment {
    Pause { samples: u32 },
    Syllable(Syllable),
}

#[derive(Debug, Clone)]
struct Syllable {
    samples: u32,
    onset: Onset,
    from: Vowel,
    to: Vowel,
    contour: Contour,
    /// How far the sentence is, 0.0..=1.0.
    progress: f32,
    stress: f32,
}

/// How a syllable begins.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Onset {
    Open,
    /// A closure and a burst.
    Stop,
    /// Hiss around this frequency in Hz.
    Fricative(f32),
    Nasal,
}

const ONSETS: [Onset; 8] = [
    Onset::Open,
    Onset::Stop,
    Onset::Stop,
    Onset::Fricative(4_800.0),
    Onset::Fricative(3_000.0),
    Onset::Fricative(2_200.0),
    Onset::Nasal,
    Onset::Nasal,
];

/// The pitch within a syllable.
#[derive(Debug, Clone, Copy)]
enum Contour {
    Level,
    Rising,
    Dipping,
    Falling,
}

const CONTOURS: [Contour; 5] = [Contour::Level, Contour::Rising, Contour::Dipping, Contour::Falling, Contour::Falling];

impl Contour {
    /// The factor of the pitch at `t`, 0.0..=1.0.
    fn factor(self, t: f32) -> f32 {
        match self {
            Self::Level => 1.12,
            Self::Rising => 0.92 + 0.24 * t * t,
            Self::Dipping => 0.95 - 0.2 * (std::f32::consts::PI * t).sin(),
            Self::Falling => 1.2 - 0.34 * t,
        }
    }
}

impl Speech {
    /// The same seed says the same.
    pub fn new(speaker: Speaker, seed: u64) -> Self {
        let mut speech = Self {
            speaker,
            variety: Variety::new(seed),
            now: Segment::Pause { samples: (60.0 * MILLISECOND) as u32 },
            position: 0,
            left: 0,
            length: 0,
            mouth: VOWELS[5],
            phase: 0.0,
            pitch: speaker.pitch,
            resonators: Default::default(),
            hiss: Resonator::default(),
            last: 0.0,
            dull: 0.0,
        };
        speech.begin_sentence();
        speech.tune();
        speech
    }

    pub(super) fn next_sample(&mut self) -> f32 {
        if self.position >= self.now.samples() {
            self.next_segment();
        }
        if self.position.is_multiple_of(RETUNE) {
            self.tune();
        }
        let (voice, breath, hiss) = self.amplitudes();
        self.position += 1;

        let noise = self.variety.between(-1.0, 1.0);
        self.phase = (self.phase + self.pitch / SAMPLE_RATE as f32).fract();
        let pulse = glottal_flow(self.phase);
        let slope = (pulse - self.last) * 14.0;
        self.last = pulse;

        let mut sample = slope * voice + noise * breath;
        for resonator in &mut self.resonators {
            sample = resonator.pass(sample);
        }
        let dull = std::mem::replace(&mut self.dull, sample);
        sample = (sample - BRIGHTNESS * dull) / (1.0 - BRIGHTNESS);
        sample += self.hiss.pass(noise * hiss);
        // A soft ceiling, so that an unlucky vowel never clips.
        (sample * self.speaker.gain).tanh() * 0.85
    }

    fn begin_sentence(&mut self) {
        self.length = self.variety.between(5.0, 9.99) as u8;
        self.left = self.length;
    }

    fn next_segment(&mut self) {
        self.position = 0;
        if self.left == 0 {
            self.begin_sentence();
            self.now = Segment::Pause { samples: (self.variety.between(260.0, 420.0) * MILLISECOND) as u32 };
            return;
        }
        self.left -= 1;
        let last = self.left == 0;
        let milliseconds = self.variety.between(150.0, 220.0) + if last { 70.0 } else { 0.0 };
        let from = *self.variety.pick(&VOWELS);
        let to = if self.variety.unit() < 0.4 { *self.variety.pick(&VOWELS) } else { from };
        self.now = Segment::Syllable(Syllable {
            samples: (milliseconds * MILLISECOND) as u32,
            onset: *self.variety.pick(&ONSETS),
            from,
            to,
            contour: *self.variety.pick(&CONTOURS),
            progress: 1.0 - f32::from(self.left) / f32::from(self.length.max(1)),
            stress: self.variety.between(0.8, 1.1),
        });
    }

    /// Voice, breath through the mouth, and hiss at the teeth, at this moment.
    fn amplitudes(&self) -> (f32, f32, f32) {
        let Segment::Syllable(syllable) = &self.now else { return (0.0, 0.0, 0.0) };
        let milliseconds = self.position as f32 / MILLISECOND;
        let left = (syllable.samples - self.position) as f32 / MILLISECOND;
        let rise = |from: f32, over: f32| ((milliseconds - from) / over).clamp(0.0, 1.0);
        let release = (left / 45.0).min(1.0);
        let (voice, burst, hiss) = match syllable.onset {
            Onset::Open => (rise(0.0, 25.0), 0.0, 0.0),
            Onset::Nasal => (0.35 * rise(0.0, 12.0) + 0.65 * rise(45.0, 20.0), 0.0, 0.0),
            Onset::Stop => (rise(48.0, 15.0), if (32.0..44.0).contains(&milliseconds) { 1.0 } else { 0.0 }, 0.0),
            Onset::Fricative(_) => (rise(70.0, 20.0), 0.0, rise(0.0, 25.0) * (1.0 - rise(65.0, 20.0))),
        };
        let voice = voice * release * syllable.stress * (1.0 - 0.25 * syllable.progress);
        (voice, 0.02 * voice + 0.5 * burst, 0.09 * hiss)
    }

    /// Brings mouth and pitch to where they are at this moment.
    fn tune(&mut self) {
        if let Segment::Syllable(syllable) = &self.now {
            let t = self.position as f32 / syllable.samples as f32;
            let glide = ((t - 0.3) / 0.5).clamp(0.0, 1.0);
            let sinking = 1.08 - 0.18 * syllable.progress;
            let target = self.speaker.pitch * syllable.contour.factor(t) * sinking;
            self.pitch += (target - self.pitch) * 0.06;
            self.pitch *= 1.0 + self.variety.between(-0.002, 0.002);
            let closed = syllable.onset == Onset::Nasal && self.position < (50.0 * MILLISECOND) as u32;
            for n in 0..3 {
                let vowel = syllable.from[n] + (syllable.to[n] - syllable.from[n]) * glide;
                let target = if closed && n == 0 { 260.0 } else { vowel };
                self.mouth[n] += (target - self.mouth[n]) * 0.08;
            }
            if let Onset::Fricative(frequency) = syllable.onset {
                self.hiss.tune(frequency, 900.0);
            }
        }
        let throat = self.speaker.throat;
        let [first, second, third] = self.mouth;
        let resonances = [first, second, third, FOURTH_HZ].into_iter().zip(BANDWIDTHS);
        for (resonator, (frequency, bandwidth)) in self.resonators.iter_mut().zip(resonances) {
            resonator.tune(frequency * throat, bandwidth);
        }
    }
}

impl Segment {
    fn samples(&self) -> u32 {
        match self {
            Self::Pause { samples } => *samples,
            Self::Syllable(syllable) => syllable.samples,
        }
    }
}

/// The air through the vocal cords over one turn: a slow opening, a quick closing, and closed for the rest.
fn glottal_flow(phase: f32) -> f32 {
    const OPENING: f32 = 0.4;
    const CLOSING: f32 = 0.16;
    if phase < OPENING {
        0.5 - 0.5 * (std::f32::consts::PI * phase / OPENING).cos()
    } else if phase < OPENING + CLOSING {
        (std::f32::consts::FRAC_PI_2 * (phase - OPENING) / CLOSING).cos()
    } else {
        0.0
    }
}

/// A resonance of second order with a gain of one at zero frequency.
#[derive(Debug, Clone, Default)]
struct Resonator {
    a: f32,
    b: f32,
    c: f32,
    before: [f32; 2],
}

impl Resonator {
    /// Centre and width in Hz.
    fn tune(&mut self, frequency: f32, bandwidth: f32) {
        let radius = (-std::f32::consts::PI * bandwidth / SAMPLE_RATE as f32).exp();
        self.c = -radius * radius;
        self.b = 2.0 * radius * (std::f32::consts::TAU * frequency / SAMPLE_RATE as f32).cos();
        self.a = 1.0 - self.b - self.c;
    }

    fn pass(&mut self, sample: f32) -> f32 {
        let out = self.a * sample + self.b * self.before[0] + self.c * self.before[1];
        self.before = [out, self.before[0]];
        out
    }
}
