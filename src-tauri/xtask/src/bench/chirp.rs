//! A train of chirps, and the delays between where it went in and where it came out.

use std::f64::consts::{PI, TAU};

use deskline_tests::pulse::RATE;

/// The analysis works on every fourth sample: 12 kHz carries the chirp's 3 kHz amply.
const THIN: usize = 4;
const THIN_RATE: f64 = RATE as f64 / THIN as f64;

/// Chirps of a train.
pub const COUNT: usize = 20;
/// No delay longer than this is looked for, so that a chirp is never taken for its neighbour.
const LONGEST: f64 = 0.55;
/// Less like the chirp than this is something else.
const LIKE: f64 = 0.5;

/// The train: 60 ms each, 500 to 3000 Hz, 650 to 750 ms apart.
pub fn train() -> Vec<i16> {
    let chirp = chirp();
    let mut sound = vec![0; RATE as usize / 2];
    for index in 0..COUNT {
        sound.extend(chirp.iter().map(|sample| (sample * f64::from(i16::MAX)) as i16));
        // Uneven, so that no period of anything else falls in with it.
        let gap = 0.59 + 0.1 * (index * 7 % COUNT) as f64 / COUNT as f64;
        sound.extend(std::iter::repeat_n(0, (gap * f64::from(RATE)) as usize));
    }
    sound
}

/// For each chirp of the train that is found in `mouth`: its delay in `ear`, in milliseconds; `None` where it is lost.
pub fn delays(mouth: &[i16], ear: &[i16]) -> Vec<Option<f64>> {
    let pattern = thin(&chirp().iter().map(|sample| (sample * f64::from(i16::MAX)) as i16).collect::<Vec<_>>());
    let (mouth, ear) = (thin(mouth), thin(ear));
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((place, likeness)) = best(&pattern, &mouth, at, at + (0.3 * THIN_RATE) as usize) {
        if likeness < 0.8 {
            at += (0.3 * THIN_RATE) as usize;
            continue;
        }
        // The window's edge may cut the peak off: look around it.
        let Some((place, _)) =
            best(&pattern, &mouth, place.floor() as usize, place as usize + (0.05 * THIN_RATE) as usize)
        else {
            break;
        };
        let from = place as usize;
        let heard = best(&pattern, &ear, from, from + (LONGEST * THIN_RATE) as usize);
        found.push(heard.filter(|(_, likeness)| *likeness >= LIKE).map(|(heard, _)| (heard - place) / THIN_RATE * 1e3));
        at = from + (0.4 * THIN_RATE) as usize;
    }
    found
}

fn chirp() -> Vec<f64> {
    let seconds = 0.06;
    let count = (seconds * f64::from(RATE)) as usize;
    (0..count)
        .map(|n| {
            let t = n as f64 / f64::from(RATE);
            let phase = TAU * (500.0 * t + (3000.0 - 500.0) / (2.0 * seconds) * t * t);
            let window = (PI * n as f64 / count as f64).sin().powi(2);
            phase.sin() * window * 0.35
        })
        .collect()
}

/// A quarter of the samples, each the mean of four.
fn thin(sound: &[i16]) -> Vec<f32> {
    sound
        .chunks_exact(THIN)
        .map(|four| four.iter().map(|&sample| f32::from(sample)).sum::<f32>() / THIN as f32)
        .collect()
}

/// Where in `sound`, from `from` to `to`, the pattern fits best, to a fraction of a sample, and how well (0..=1);
/// `None` beyond the end.
fn best(pattern: &[f32], sound: &[f32], from: usize, to: usize) -> Option<(f64, f64)> {
    let to = to.min(sound.len().checked_sub(pattern.len())?);
    if from >= to {
        return None;
    }
    let fits: Vec<f64> = (from..to).map(|at| likeness(pattern, &sound[at..at + pattern.len()])).collect();
    let top = (0..fits.len()).max_by(|&a, &b| fits[a].total_cmp(&fits[b]))?;
    // The vertex of the parabola through the top and its neighbours.
    let shift = match (top.checked_sub(1).map(|left| fits[left]), fits.get(top + 1)) {
        (Some(left), Some(right)) if left + right < 2.0 * fits[top] => {
            (left - right) / (2.0 * (left + right - 2.0 * fits[top]))
        }
        _ => 0.0,
    };
    Some((from as f64 + top as f64 + shift, fits[top]))
}

/// The normalised correlation without regard to sign.
fn likeness(pattern: &[f32], sound: &[f32]) -> f64 {
    let (mut product, mut own, mut other) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (p, s) in pattern.iter().zip(sound) {
        product += p * s;
        own += p * p;
        other += s * s;
    }
    // A sound of less than a step is silence, however much it looks like anything.
    if other < pattern.len() as f32 {
        0.0
    } else {
        f64::from(product.abs()) / (f64::from(own) * f64::from(other)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_of_every_chirp_is_found_to_a_tenth_of_a_millisecond() {
        let mouth = train();
        let late = 61.3;
        let mut ear = vec![0; (late * f64::from(RATE) / 1e3) as usize];
        ear.extend(mouth.iter().map(|sample| sample / 3));
        let delays = delays(&mouth, &ear);
        assert_eq!(delays.len(), COUNT);
        for delay in delays {
            let delay = delay.unwrap_or(f64::NAN);
            assert!((delay - late).abs() < 0.1, "{delay}");
        }
    }

    #[test]
    fn chirps_into_silence_are_lost() {
        let mouth = train();
        let delays = delays(&mouth, &vec![0; mouth.len()]);
        assert_eq!(delays, vec![None; COUNT]);
    }
}
