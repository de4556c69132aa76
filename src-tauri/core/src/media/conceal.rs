//! Hiding lost packets of codecs that cannot do it themselves: the last pitch periods are repeated and fade away
//! (waveform substitution, in the manner of G.711 Appendix I, but without its delay).

/// Repeats sound of 5 to 15 ms: voices from 66 to 200 Hz, and of higher ones several periods.
const MIN_PERIOD_MS: f32 = 5.0;
const MAX_PERIOD_MS: f32 = 15.0;

/// As much as is compared when a period is looked for.
const COMPARED_MS: f32 = 20.0;

/// Full loudness until here, and silence from there on.
const FADE_BEGINS_MS: f32 = 10.0;
const FADE_ENDS_MS: f32 = 60.0;

/// Over this the step between what was and what is repeated is smoothed.
const SMOOTHED_MS: f32 = 2.0;

/// Sound that has come again replaces the repetition over this, and over more after a longer gap.
const MERGE_MS: f32 = 4.0;
const MAX_MERGE_MS: f32 = 10.0;

/// One stream's memory of what was heard last.
#[derive(Debug, Clone)]
pub struct Concealer {
    per_ms: f32,
    /// The last samples that came or were made, the newest last.
    history: Box<[f32]>,
    gap: Option<Gap>,
}

/// A loss that is being concealed.
#[derive(Debug, Clone)]
struct Gap {
    /// Samples of the history that are repeated.
    period: usize,
    /// Samples made since the loss.
    made: usize,
    /// The step at the seam, which fades.
    step: f32,
}

impl Concealer {
    /// `sample_rate` is in Hz. The search for the period is cheap at 8 or 16 kHz.
    pub fn new(sample_rate: u32) -> Self {
        let per_ms = sample_rate as f32 / 1000.0;
        let length = (per_ms * (COMPARED_MS + MAX_PERIOD_MS + MAX_PERIOD_MS)) as usize;
        Self { per_ms, history: vec![0.0; length].into(), gap: None }
    }

    /// Takes sound that has come. After a loss its beginning is blended with the repetition, so that nothing clicks.
    pub fn heard(&mut self, samples: &mut [f32]) {
        if let Some(mut gap) = self.gap.take() {
            let lost_ms = gap.made as f32 / self.per_ms;
            let merge_ms = (MERGE_MS + 0.2 * lost_ms).min(MAX_MERGE_MS);
            let merge = ((merge_ms * self.per_ms) as usize).min(samples.len());
            for (n, sample) in samples[..merge].iter_mut().enumerate() {
                let weight = (n + 1) as f32 / (merge + 1) as f32;
                *sample = *sample * weight + self.repeated(&mut gap) * (1.0 - weight);
            }
        }
        self.remember(samples);
    }

    /// Fills `out` with what might have been.
    pub fn conceal(&mut self, out: &mut [f32]) {
        let mut gap = self.gap.take().unwrap_or_else(|| {
            let period = self.period();
            let end = self.history.len();
            // In an undamped repetition the sample before the first would be the one a period earlier.
            Gap { period, made: 0, step: self.history[end - 1] - self.history[end - 1 - period] }
        });
        for sample in out {
            *sample = self.repeated(&mut gap);
        }
        self.gap = Some(gap);
    }

    /// The next sample of the repetition. The history itself stays as it was when the loss began.
    fn repeated(&self, gap: &mut Gap) -> f32 {
        let end = self.history.len();
        let made = gap.made as f32 / self.per_ms;
        let gain = ((FADE_ENDS_MS - made) / (FADE_ENDS_MS - FADE_BEGINS_MS)).clamp(0.0, 1.0);
        let place = gap.made % gap.period;
        let mut sample = self.history[end - gap.period + place];
        // Towards its end each period runs into what preceded it, so that it joins its own beginning.
        let overlap = gap.period / 4;
        let left = gap.period - place;
        if left <= overlap {
            let weight = (overlap + 1 - left) as f32 / (overlap + 1) as f32;
            sample = sample * (1.0 - weight) + self.history[end - 2 * gap.period + place] * weight;
        }
        let smoothing = (1.0 - made / SMOOTHED_MS).max(0.0);
        sample = (sample + gap.step * smoothing) * gain;
        gap.made += 1;
        sample
    }

    /// The distance at which the newest sound resembles itself most.
    fn period(&self) -> usize {
        let (shortest, longest) = ((MIN_PERIOD_MS * self.per_ms) as usize, (MAX_PERIOD_MS * self.per_ms) as usize);
        let compared = (COMPARED_MS * self.per_ms) as usize;
        let end = self.history.len();
        let newest = &self.history[end - compared..];
        let likeness = |period: usize| {
            let earlier = &self.history[end - compared - period..end - period];
            let (mut product, mut energy) = (0.0f32, 1e-9f32);
            for (a, b) in newest.iter().zip(earlier) {
                product += a * b;
                energy += b * b;
            }
            product / energy.sqrt()
        };
        let mut best = (longest, f32::MIN);
        for period in shortest..=longest {
            let likeness = likeness(period);
            if likeness > best.1 {
                best = (period, likeness);
            }
        }
        best.0
    }

    fn remember(&mut self, samples: &[f32]) {
        let keep = self.history.len();
        if samples.len() >= keep {
            self.history.copy_from_slice(&samples[samples.len() - keep..]);
        } else {
            self.history.copy_within(samples.len().., 0);
            self.history[keep - samples.len()..].copy_from_slice(samples);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::levels::{peak, rms, tone_share};
    use super::*;

    const RATE: u32 = 8_000;

    /// A voiced sound of 125 Hz with harmonics.
    fn voice(n: usize) -> f32 {
        let phase = std::f32::consts::TAU * 125.0 * n as f32 / RATE as f32;
        0.3 * phase.sin() + 0.2 * (2.0 * phase).sin() + 0.1 * (5.0 * phase).sin()
    }

    /// Plays 400 ms of `sound` in frames of 20 ms, of which those in `lost` are concealed.
    fn played(sound: impl Fn(usize) -> f32, lost: std::ops::Range<usize>) -> Vec<f32> {
        let mut concealer = Concealer::new(RATE);
        let mut out = Vec::new();
        for frame in 0..20 {
            let mut samples: Vec<f32> = (0..160).map(|n| sound(frame * 160 + n)).collect();
            if lost.contains(&frame) {
                concealer.conceal(&mut samples)
            } else {
                concealer.heard(&mut samples)
            }
            out.extend(samples);
        }
        out
    }

    fn largest_step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn one_lost_packet_of_a_voice_is_hardly_heard() {
        let out = played(voice, 10..11);
        let error: Vec<f32> = out.iter().enumerate().map(|(n, sample)| sample - voice(n)).collect();
        // Against 0 dB of error if the gap were silence.
        assert!(rms(&error[1600..1760]) < 0.15 * rms(&out[..1600]), "{}", rms(&error[1600..1760]));
        assert!(rms(&error[1840..]) < 1e-6, "nothing of the loss is left 10 ms after it");
    }

    #[test]
    fn there_is_no_click_at_the_seams() {
        let clean = largest_step(&played(voice, 0..0));
        for lost in [5..6, 10..12, 10..14, 3..19] {
            let step = largest_step(&played(voice, lost.clone()));
            assert!(step < 1.2 * clean, "{lost:?}: a step of {step} where the sound itself makes {clean}");
        }
        // A tone whose period fits nothing.
        let tone = |n: usize| 0.5 * (std::f32::consts::TAU * 317.0 * n as f32 / RATE as f32).sin();
        assert!(largest_step(&played(tone, 7..9)) < 1.3 * largest_step(&played(tone, 0..0)));
    }

    #[test]
    fn a_tone_goes_on_as_the_same_tone() {
        let tone = |n: usize| 0.5 * (std::f32::consts::TAU * 400.0 * n as f32 / RATE as f32).sin();
        assert!(tone_share(&played(tone, 10..11)[1600..1760], RATE, 400.0) > 0.95);
    }

    #[test]
    fn a_long_loss_fades_into_silence_within_60_ms() {
        let out = played(voice, 10..20);
        assert!(rms(&out[1600..1680]) > 0.2);
        assert_eq!(peak(&out[1600 + 480..]), 0.0);
    }

    #[test]
    fn a_loss_before_any_sound_is_silence() {
        assert_eq!(peak(&played(|_| 0.0, 0..5)), 0.0);
        let mut out = [1.0; 160];
        Concealer::new(RATE).conceal(&mut out);
        assert_eq!(peak(&out), 0.0);
    }

    #[test]
    fn it_works_at_every_rate() {
        for rate in [8_000, 16_000, 48_000] {
            let mut concealer = Concealer::new(rate);
            let mut sound: Vec<f32> =
                (0..rate / 5).map(|n| (std::f32::consts::TAU * 200.0 * n as f32 / rate as f32).sin()).collect();
            concealer.heard(&mut sound);
            let mut out = vec![0.0; rate as usize / 50];
            concealer.conceal(&mut out);
            assert!(tone_share(&out, rate, 200.0) > 0.95);
        }
    }
}
