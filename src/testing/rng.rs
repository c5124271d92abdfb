//! Random numbers that a seed repeats.

/// A generator whose numbers follow from its seed alone (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Begins at a seed. Equal seeds give equal numbers, on every machine and in every release.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let wide = u128::from(self.next_u64()) * end as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// True or false, evenly.
    pub const fn coin(&mut self) -> bool {
        self.next_u64() >> 63 == 1
    }
}

/// One number out of a text and another number: the seed of something that has a name.
pub(super) fn seed_of(name: &str, more: u64) -> u64 {
    let mut rng = Rng::new(more);
    let mut seed = rng.next_u64();
    for byte in name.bytes() {
        seed = Rng::new(seed ^ u64::from(byte)).next_u64();
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_seed() {
        // The reference values of `SplitMix64` for the seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
        assert!((0..1_000).all(|_| rng.below(7) < 7));
        assert_eq!(rng.below(0), 0);
        assert_ne!(seed_of("A", 1), seed_of("B", 1));
        assert_ne!(seed_of("A", 1), seed_of("A", 2));
    }
}
