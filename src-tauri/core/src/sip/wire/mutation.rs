//! Damaging valid input in a way that can be repeated: for the tests of every parser in this crate.

/// A seeded source of mutations (xorshift64*).
pub(crate) struct Mutation(u64);

impl Mutation {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    /// One to four changes: a byte replaced, removed, doubled or inserted, a stretch moved, cut off or repeated.
    pub(crate) fn apply(&mut self, valid: &[u8]) -> Vec<u8> {
        const TELLING: &[u8] = b"\r\n\t \"\\<>;:,=?@[]%*()-+0129azAZ/\0\x7f\x80\xc3\xff";
        let mut bytes = valid.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let byte = TELLING[self.below(TELLING.len())];
            match self.below(7) {
                _ if bytes.is_empty() => bytes.push(byte),
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                3 => bytes[at] ^= 1 << self.below(8),
                4 => bytes.truncate(at),
                5 => {
                    let stretch = bytes[at..(at + self.below(60)).min(bytes.len())].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, stretch);
                }
                _ => drop(bytes.drain(at..(at + self.below(20)).min(bytes.len()))),
            }
        }
        bytes
    }
}
