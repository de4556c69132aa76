//! Everything unpredictable that the user agent needs: tags, branches, Call-IDs, cnonces and random delays.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(super) struct Random(ChaCha12Rng);

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// `length` letters and digits, five bits of randomness each. RFC 3261 §19.3 wants 32 bits for a tag.
    pub(super) fn token(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut token = String::with_capacity(length);
        let mut bits = 0;
        for index in 0..length {
            if index % 12 == 0 {
                bits = self.0.next_u64();
            }
            token.push(char::from(ALPHABET[(bits & 31) as usize]));
            bits >>= 5;
        }
        token
    }

    /// `length` hexadecimal digits: a cnonce.
    pub(super) fn hexadecimal(&mut self, length: usize) -> String {
        let mut digits = String::with_capacity(length + 16);
        while digits.len() < length {
            digits.push_str(&format!("{:016x}", self.0.next_u64()));
        }
        digits.truncate(length);
        digits
    }

    /// A number in `0..end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // The high half of a 128-bit product is uniform enough for delays.
        ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A time in `from..=to`, in steps of `step`.
    pub(super) fn delay(&mut self, from: Duration, to: Duration, step: Duration) -> Duration {
        let steps = (to.saturating_sub(from).as_nanos() / step.as_nanos().max(1)) as u64;
        from + step * u32::try_from(self.below(steps + 1)).unwrap_or(u32::MAX)
    }

    /// How long to wait after so many failures in a row: the upper half of the bound (RFC 5626 §4.5).
    pub(super) fn back_off(&mut self, failures: u32) -> Duration {
        let bound = crate::sip::registration::back_off(failures);
        self.delay(bound / 2, bound, Duration::from_millis(10))
    }

    /// A time of `time`, or up to a tenth less: what many would do at once is spread.
    pub(super) fn a_little_earlier(&mut self, time: Duration) -> Duration {
        self.delay(time.mul_f64(0.9), time, Duration::from_millis(10))
    }

    /// As [`Self::a_little_earlier`], up to a tenth more.
    pub(super) fn a_little_later(&mut self, time: Duration) -> Duration {
        self.delay(time, time.mul_f64(1.1), Duration::from_millis(10))
    }
}
