//! One number over all that counts in a cache, kept up to date with each change of it: all of it is of one moment, or the number
//! is another.

use serde::{Deserialize, Serialize};

use super::block::{BLOCK, crc_of_block, crc_of_text};

/// What stands where, each part by its place and its checksum, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digest(u64);

impl Digest {
    /// Adds a part that begins at byte `at`, or takes it out: the one undoes the other.
    pub(super) const fn toggle(&mut self, at: u64, crc: u32) {
        self.0 ^= mixed(at, crc);
    }

    /// Adds a block, by its number.
    pub(super) fn add_block(&mut self, number: u64, block: &[u8; BLOCK]) {
        self.toggle(number * BLOCK as u64, crc_of_block(block));
    }

    /// Adds a text with what stands before it.
    pub(super) fn add_text(&mut self, at: u64, wrapped: &[u8]) {
        self.toggle(at, crc_of_text(wrapped));
    }

    /// Both together.
    pub(super) const fn join(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
const fn mixed(at: u64, crc: u32) -> u64 {
    let number = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ crc as u64;
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_stands_where_and_not_in_which_order_it_came() {
        let of = |parts: &[(u64, u32)]| {
            let mut digest = Digest::default();
            for &(at, crc) in parts {
                digest.toggle(at, crc);
            }
            digest
        };
        let all = of(&[(0, 7), (512, 8), (1024, 9)]);
        assert_eq!(all, of(&[(1024, 9), (0, 7), (512, 8)]));
        assert_eq!(all, of(&[(0, 7)]).join(of(&[(512, 8), (1024, 9)])));
        assert_eq!(all, of(&[(0, 7), (512, 1), (512, 1), (512, 8), (1024, 9)]));
        assert_ne!(all, of(&[(0, 8), (512, 7), (1024, 9)]));
        assert_ne!(all, of(&[(0, 7), (512, 8)]));
    }
}
