//! Making speech a little shorter or longer without a change of pitch: a pitch period is left out or repeated, and the seam
//! is cross-faded where the sound resembles itself most (in the manner of WSOLA).

/// Over this many samples (5 ms) the two sides of the seam are blended.
const BLEND: usize = 240;

/// The shortest and the longest piece, in samples: 2.5 and 12.5 ms.
const SHORTEST: usize = 120;
const LONGEST: usize = 600;

/// The grid of the first, coarse search.
const GRID: usize = 4;

/// How much alike (1.0: the same shape) the sides must be for the seam to be inaudible.
const ALIKE: f32 = 0.75;

/// Quieter than this (−52 dBFS) nobody hears a seam.
const QUIET: f32 = 0.0025;

/// Leaves out up to `at_most` samples of `sound` (48 kHz). Returns how many were left out: none where the sound has no
/// inaudible place for it, unless `force`. What is left stands at the beginning of `sound`.
pub fn shorten(sound: &mut [f32], at_most: usize, force: bool) -> usize {
    let Some(longest) = sound.len().checked_sub(BLEND).map(|most| most.min(at_most).min(LONGEST)) else { return 0 };
    let Some(piece) = piece(&sound[..BLEND], longest, force, |lag| &sound[lag..lag + BLEND]) else { return 0 };
    for n in 0..BLEND {
        let weight = (n + 1) as f32 / (BLEND + 1) as f32;
        sound[n] = sound[n] * (1.0 - weight) + sound[n + piece] * weight;
    }
    sound.copy_within(BLEND + piece.., BLEND);
    piece
}

/// Repeats up to `at_most` samples of the first `length` samples of `sound`, which has room for as many more. Returns how
/// many were added, under the same conditions as [`shorten`].
pub fn lengthen(sound: &mut [f32], length: usize, at_most: usize, force: bool) -> usize {
    let Some(seam) = length.checked_sub(BLEND) else { return 0 };
    let longest = seam.min(at_most).min(LONGEST).min(sound.len() - length);
    let Some(piece) = piece(&sound[seam..length], longest, force, |lag| &sound[seam - lag..length - lag]) else {
        return 0;
    };
    // After the seam the sound goes on as it did one piece before.
    sound.copy_within(seam - piece..length, seam);
    // The moved part begins with what stood at `seam − piece`; the original goes over into it.
    // Its original samples are now one piece later.
    for n in 0..BLEND {
        let weight = (n + 1) as f32 / (BLEND + 1) as f32;
        sound[seam + n] = sound[seam + n + piece] * (1.0 - weight) + sound[seam + n] * weight;
    }
    piece
}

/// The lag in [`SHORTEST`]`..=longest` at which `candidate(lag)` is most like `here`.
fn piece<'a>(here: &[f32], longest: usize, force: bool, candidate: impl Fn(usize) -> &'a [f32]) -> Option<usize> {
    if longest < SHORTEST {
        return None;
    }
    let likeness = |lag: usize, stride: usize| {
        let (mut product, mut here_energy, mut there_energy) = (0.0f32, 1e-9f32, 1e-9f32);
        for (a, b) in here.iter().step_by(stride).zip(candidate(lag).iter().step_by(stride)) {
            product += a * b;
            here_energy += a * a;
            there_energy += b * b;
        }
        product / (here_energy * there_energy).sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, stride: usize| {
        lags.map(|lag| (lag, likeness(lag, stride))).max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let (coarse, _) = best(&mut (SHORTEST..=longest).step_by(GRID), GRID)?;
    let around = coarse.saturating_sub(GRID).max(SHORTEST)..=(coarse + GRID).min(longest);
    let (lag, alike) = best(&mut around.into_iter(), 1)?;
    let quiet = super::levels::rms(here) < QUIET && super::levels::rms(candidate(longest)) < QUIET;
    match () {
        () if quiet => Some(longest),
        () if alike >= ALIKE || force => Some(lag),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::levels::tone_share;
    use super::*;

    fn tone(frequency: f32, length: usize) -> Vec<f32> {
        (0..length).map(|n| 0.5 * (std::f32::consts::TAU * frequency * n as f32 / 48_000.0).sin()).collect()
    }

    fn largest_step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_shortened_tone_is_the_same_tone() {
        for frequency in [110.0, 217.0, 440.0, 1300.0] {
            let mut sound = tone(frequency, 960);
            let removed = shorten(&mut sound, 480, false);
            assert!((120..=480).contains(&removed), "{frequency}: {removed}");
            let left = &sound[..960 - removed];
            assert!(largest_step(left) < 1.05 * largest_step(&tone(frequency, 960)), "{frequency}");
            if frequency > 200.0 {
                assert!(tone_share(left, 48_000, frequency) > 0.97, "{frequency}");
            }
        }
    }

    #[test]
    fn a_lengthened_tone_is_the_same_tone() {
        for frequency in [130.0, 217.0, 440.0, 1300.0] {
            let mut sound = tone(frequency, 960);
            sound.resize(2_000, 0.0);
            let added = lengthen(&mut sound, 960, 480, false);
            assert!((120..=480).contains(&added), "{frequency}: {added}");
            let longer = &sound[..960 + added];
            assert!(largest_step(longer) < 1.05 * largest_step(&tone(frequency, 960)), "{frequency}");
            assert!(tone_share(longer, 48_000, frequency) > 0.95, "{frequency}");
            // It ends as it ended.
            assert!((longer[960 + added - 1] - tone(frequency, 960)[959]).abs() < 1e-6);
        }
    }

    #[test]
    fn silence_gives_as_much_as_is_asked() {
        let mut sound = vec![0.0005; 960];
        assert_eq!(shorten(&mut sound, 333, false), 333);
        sound.resize(2_000, 0.0);
        assert_eq!(lengthen(&mut sound, 960, 333, false), 333);
    }

    #[test]
    fn noise_is_left_alone_unless_it_must_be() {
        let mut state = 1u32;
        let mut noise: Vec<f32> = (0..960)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32 - 0.5
            })
            .collect();
        assert_eq!(shorten(&mut noise, 480, false), 0);
        assert!(shorten(&mut noise, 480, true) >= 120);
    }

    #[test]
    fn too_little_sound_or_too_small_a_wish_changes_nothing() {
        assert_eq!(shorten(&mut tone(440.0, 300), 480, true), 0);
        assert_eq!(shorten(&mut tone(440.0, 960), 100, true), 0);
        assert_eq!(lengthen(&mut tone(440.0, 200), 200, 480, true), 0);
        assert_eq!(lengthen(&mut tone(440.0, 960), 960, 480, true), 0, "there is no room");
    }
}
