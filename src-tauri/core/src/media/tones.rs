//! Tones made sample by sample: those of the network (as in China, GB/T 3380: 450 Hz), the ring, the keys.

use super::{SAMPLE_RATE, Tone};

/// Tones begin and end over 5 ms.
const RAMP: f32 = 1.0 / (0.005 * SAMPLE_RATE as f32);

/// How loud: −18 dBFS for the network's tones and the keys, −9 for the ring.
const TONE_LEVEL: f32 = 0.126;
const RING_LEVEL: f32 = 0.35;

/// What can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Tone(Tone),
    /// The agent's own phone: two warbling notes for a second, then two seconds of rest.
    Ring,
    /// A key: its two frequencies (ITU-T Q.23).
    Key(char),
    /// 700 Hz for half a second, then 900 Hz, to try a device.
    Test,
}

/// One step of a rhythm.
#[derive(Debug, Clone, Copy)]
struct Step {
    milliseconds: u32,
    /// Two frequencies in Hz; 0 is none. Both 0: a pause.
    frequencies: [f32; 2],
}

const fn step(milliseconds: u32, a: f32, b: f32) -> Step {
    Step { milliseconds, frequencies: [a, b] }
}

/// A rhythm, and whether it begins again at its end.
fn rhythm(signal: Signal) -> (&'static [Step], bool) {
    const RING_BACK: &[Step] = &[step(1_000, 450.0, 0.0), step(4_000, 0.0, 0.0)];
    const BUSY: &[Step] = &[step(350, 450.0, 0.0), step(350, 0.0, 0.0)];
    const CALL_WAITING: &[Step] = &[step(400, 450.0, 0.0), step(4_000, 0.0, 0.0)];
    const HUNG_UP: &[Step] = &[
        step(120, 450.0, 0.0),
        step(80, 0.0, 0.0),
        step(120, 450.0, 0.0),
        step(80, 0.0, 0.0),
        step(120, 450.0, 0.0),
        step(200, 0.0, 0.0),
    ];
    const RING: &[Step] = &[
        step(125, 784.0, 1_568.0),
        step(125, 988.0, 1_976.0),
        step(125, 784.0, 1_568.0),
        step(125, 988.0, 1_976.0),
        step(125, 784.0, 1_568.0),
        step(125, 988.0, 1_976.0),
        step(125, 784.0, 1_568.0),
        step(125, 988.0, 1_976.0),
        step(2_000, 0.0, 0.0),
    ];
    const TEST: &[Step] = &[step(500, 700.0, 0.0), step(500, 900.0, 0.0)];
    match signal {
        Signal::Tone(Tone::RingBack) => (RING_BACK, true),
        Signal::Tone(Tone::Busy) => (BUSY, true),
        Signal::Tone(Tone::CallWaiting) => (CALL_WAITING, true),
        Signal::Tone(Tone::HungUp) => (HUNG_UP, false),
        Signal::Ring => (RING, true),
        Signal::Test => (TEST, true),
        Signal::Key(digit) => (key(digit), true),
    }
}

fn key(digit: char) -> &'static [Step] {
    macro_rules! keys {
        ($($digit:literal $low:literal $high:literal),*) => {
            match digit.to_ascii_uppercase() {
                $($digit => const { &[step(1_000, $low, $high)] },)*
                _ => const { &[step(1_000, 0.0, 0.0)] },
            }
        };
    }
    keys!(
        '1' 697.0 1209.0, '2' 697.0 1336.0, '3' 697.0 1477.0, 'A' 697.0 1633.0,
        '4' 770.0 1209.0, '5' 770.0 1336.0, '6' 770.0 1477.0, 'B' 770.0 1633.0,
        '7' 852.0 1209.0, '8' 852.0 1336.0, '9' 852.0 1477.0, 'C' 852.0 1633.0,
        '*' 941.0 1209.0, '0' 941.0 1336.0, '#' 941.0 1477.0, 'D' 941.0 1633.0
    )
}

/// Plays one signal at a time, and changes and ends it without a click.
#[derive(Debug, Default)]
pub struct Player {
    playing: Option<Playing>,
    next: Option<Signal>,
}

#[derive(Debug)]
struct Playing {
    signal: Signal,
    step: usize,
    /// Samples of the step that are left.
    left: u32,
    phases: [f32; 2],
    frequencies: [f32; 2],
    gain: f32,
    /// Fading away for good.
    ending: bool,
}

impl Player {
    /// Plays `signal` from its beginning, or nothing. The same signal again goes on undisturbed.
    pub fn play(&mut self, signal: Option<Signal>) {
        self.next = signal;
        match &mut self.playing {
            Some(playing) => playing.ending = Some(playing.signal) != signal,
            None => self.begin(),
        }
    }

    pub fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// Adds the next samples to `out`.
    pub fn add_to(&mut self, out: &mut [f32]) {
        for sample in out {
            let Some(playing) = &mut self.playing else { return };
            match playing.sample() {
                Some(value) => *sample += value,
                None => {
                    let finished = !playing.ending;
                    self.playing = None;
                    if finished {
                        self.next = None;
                    }
                    self.begin();
                }
            }
        }
    }

    fn begin(&mut self) {
        self.playing = self.next.map(|signal| {
            let first = rhythm(signal).0[0];
            Playing {
                signal,
                step: 0,
                left: in_samples(first.milliseconds),
                phases: [0.0; 2],
                frequencies: first.frequencies,
                gain: 0.0,
                ending: false,
            }
        });
    }
}

impl Playing {
    fn sample(&mut self) -> Option<f32> {
        if self.left == 0 {
            let (steps, again) = rhythm(self.signal);
            self.step += 1;
            if self.step == steps.len() {
                if !again {
                    return None;
                }
                self.step = 0;
            }
            let step = steps[self.step];
            self.left = in_samples(step.milliseconds);
            // In a pause the old tone fades.
            if step.frequencies[0] > 0.0 {
                self.frequencies = step.frequencies;
            }
        }
        self.left -= 1;
        let sounding = rhythm(self.signal).0[self.step].frequencies[0] > 0.0 && !self.ending;
        self.gain = if sounding { (self.gain + RAMP).min(1.0) } else { (self.gain - RAMP).max(0.0) };
        if self.ending && self.gain == 0.0 {
            return None;
        }
        if self.gain == 0.0 {
            return Some(0.0);
        }
        let mut sum = 0.0;
        for (phase, frequency) in self.phases.iter_mut().zip(self.frequencies) {
            if frequency > 0.0 {
                *phase = (*phase + frequency / SAMPLE_RATE as f32).fract();
                sum += (std::f32::consts::TAU * *phase).sin();
            }
        }
        let level = match self.signal {
            Signal::Ring => RING_LEVEL * 0.6,
            _ => TONE_LEVEL,
        };
        Some(level * self.gain * sum)
    }
}

const fn in_samples(milliseconds: u32) -> u32 {
    milliseconds * (SAMPLE_RATE / 1_000)
}

#[cfg(test)]
mod tests {
    use super::super::levels::{peak, rms, tone_share};
    use super::*;

    fn played(signal: Signal, milliseconds: usize) -> Vec<f32> {
        let mut player = Player::default();
        player.play(Some(signal));
        let mut out = vec![0.0; 48 * milliseconds];
        out.chunks_mut(480).for_each(|frame| player.add_to(frame));
        out
    }

    fn at(sound: &[f32], from: usize, to: usize) -> &[f32] {
        &sound[48 * from..48 * to]
    }

    #[test]
    fn ring_back_is_450_hz_for_one_second_of_five() {
        let sound = played(Signal::Tone(Tone::RingBack), 6_000);
        assert!(tone_share(at(&sound, 20, 980), SAMPLE_RATE, 450.0) > 0.99);
        assert_eq!(peak(at(&sound, 1_010, 4_990)), 0.0);
        assert!(rms(at(&sound, 5_020, 5_900)) > 0.05);
    }

    #[test]
    fn busy_changes_every_350_ms() {
        let sound = played(Signal::Tone(Tone::Busy), 1_400);
        let loud = |from, to| rms(at(&sound, from, to)) > 0.05;
        assert_eq!([loud(10, 340), loud(360, 690), loud(710, 1_040), loud(1_060, 1_390)], [true, false, true, false]);
    }

    #[test]
    fn hanging_up_is_heard_once() {
        let mut player = Player::default();
        player.play(Some(Signal::Tone(Tone::HungUp)));
        let mut sound = vec![0.0; 48 * 2_000];
        player.add_to(&mut sound);
        assert!(rms(at(&sound, 10, 110)) > 0.05);
        assert_eq!(peak(at(&sound, 720, 2_000)), 0.0);
        assert!(!player.is_playing());
    }

    #[test]
    fn a_key_has_its_two_frequencies() {
        for (digit, low, high) in [('1', 697.0, 1_209.0), ('d', 941.0, 1_633.0), ('#', 941.0, 1_477.0)] {
            let sound = played(Signal::Key(digit), 200);
            assert!(tone_share(&sound, SAMPLE_RATE, low) > 0.4, "{digit}");
            assert!(tone_share(&sound, SAMPLE_RATE, high) > 0.4, "{digit}");
        }
        assert_eq!(peak(&played(Signal::Key('x'), 100)), 0.0);
    }

    #[test]
    fn the_ring_rests_two_seconds_of_three_and_all_stays_in_bounds() {
        let sound = played(Signal::Ring, 4_000);
        assert!(rms(at(&sound, 10, 990)) > 0.1);
        assert_eq!(peak(at(&sound, 1_010, 2_990)), 0.0);
        assert!(peak(&sound) < 0.9);
    }

    #[test]
    fn starting_changing_and_stopping_never_clicks() {
        let mut player = Player::default();
        let mut sound = vec![0.0; 48 * 400];
        for (number, part) in sound.chunks_mut(48 * 50).enumerate() {
            player.play(match number {
                0 | 1 | 4 => Some(Signal::Tone(Tone::Busy)),
                2 | 3 => Some(Signal::Key('5')),
                _ => None,
            });
            player.add_to(part);
        }
        // The steepest of these tones, at its level, steps by 0.04 a sample.
        let step = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.05, "{step}");
        assert!(!player.is_playing());
        assert!(rms(at(&sound, 10, 240)) > 0.05);
    }
}
