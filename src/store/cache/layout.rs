//! Where everything is in a cache, and its header.
//!
//! ```text
//!   block 0        header
//!   block 1        the active segment as it was left: see `stamp`
//!   keys           slots of 8 bytes: 32 bits of the hash, 32 bits of the item's index + 1; 0 is free; the next slot is tried
//!   directory      8 bytes an item: where in the heap it is
//!   trees          for each phase, then for what is in progress: the leaves, then each level above
//!   heap           texts at multiples of 16
//! ```
//!
//! Areas have room for more items than there are; a cache that is full is made anew, larger.

use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::block::{BLOCK, CONTENT, NUMBERS, Tie};
use super::digest::Digest;
use crate::pipeline::{row, wide};

/// The first bytes of a cache; the number is that of the format of this file.
const MAGIC: &[u8; 16] = b"phaselog cache 2";

/// The block of the stamp.
pub(super) const STAMP: u64 = 1;

/// A key of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Name(&'a str),
    Id(&'a str),
}

/// The header: what is in the cache, and whether it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The version of the program, and the layout of the rows.
    pub(super) version: (String, u32),
    /// The boot that wrote it last.
    pub(super) boot: String,
    /// Drawn when it was made.
    pub(super) nonce: u64,
    /// The keys of the hash: names come from outside and could collide on purpose.
    pub(super) hash_keys: (u64, u64),
    /// Counts the changes.
    pub(super) generation: u32,
    /// False while it is being changed.
    pub(super) clean: bool,
    /// Phases of the plan.
    pub(super) phases: usize,
    /// Room for so many items.
    pub(super) room: usize,
    /// Items.
    pub(super) count: usize,
    /// Keys.
    pub(super) keys: usize,
    /// The end of the heap.
    pub(super) end: u64,
    /// Where in the heap what seldom changes is: plan, document, imports.
    pub(super) still: u64,
    /// Where in the heap what always changes is: how far it goes.
    pub(super) moving: u64,
    /// Where in the heap the operation ids are.
    pub(super) operations: u64,
    /// All blocks but the header and the stamp, and all texts that something leads to.
    pub(super) digest: Digest,
}

impl Header {
    /// The version that this program writes and reads.
    pub(super) fn own_version() -> (String, u32) {
        (env!("CARGO_PKG_VERSION").to_owned(), row::LAYOUT)
    }

    /// The header's block; `None` if a text in it is far too long.
    pub(super) fn to_block(&self) -> Option<[u8; BLOCK]> {
        let mut content = [0; CONTENT];
        content[..16].copy_from_slice(MAGIC);
        let text = postcard::to_allocvec(self).ok()?;
        let room = content.get_mut(16..16 + text.len())?;
        room.copy_from_slice(&text);
        Some(FIRST.seal(0, &content))
    }

    /// Reads a header; `None` if it is none.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Option<Self> {
        let content = FIRST.unseal(0, block)?;
        let text = content.strip_prefix(MAGIC)?;
        let (header, _): (Self, _) = postcard::take_from_bytes(text).ok()?;
        // What sizes are made of is limited before it is used.
        let sane =
            header.room <= MAX_ITEMS && header.count <= header.room && header.phases <= MAX_PHASES;
        sane.then_some(header)
    }

    /// What ties the blocks to this header.
    pub(super) const fn tie(&self) -> Tie {
        Tie {
            nonce: self.nonce,
            generation: self.generation,
        }
    }

    /// Where everything is.
    pub(super) const fn layout(&self) -> Layout {
        Layout {
            room: self.room,
            phases: self.phases,
        }
    }

    /// The hash of a key.
    pub(super) fn hash(&self, key: Key<'_>) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.hash_keys.0, self.hash_keys.1);
        match key {
            Key::Name(name) => {
                hasher.write_u8(0);
                hasher.write(name.as_bytes());
            }
            Key::Id(id) => {
                hasher.write_u8(1);
                id.bytes()
                    .for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
            }
        }
        hasher.finish()
    }
}

/// The header is the first block of whatever cache it is.
const FIRST: Tie = Tie {
    nonce: 0,
    generation: 0,
};

/// More items than this are not kept in a cache.
pub(super) const MAX_ITEMS: usize = 1 << 30;

/// More phases than this are not kept in a cache.
pub(super) const MAX_PHASES: usize = 4_096;

/// Where the areas are, in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) room: usize,
    pub(super) phases: usize,
}

impl Layout {
    /// Room for these items and more.
    pub(super) fn for_items(items: usize, phases: usize) -> Self {
        let room = (items + items / 4 + 1).next_multiple_of(NUMBERS);
        Self { room, phases }
    }

    /// Blocks of keys: two keys an item, and every third slot free at least.
    pub(super) const fn key_blocks(self) -> usize {
        (self.room * 3).div_ceil(NUMBERS)
    }

    /// Slots for keys.
    pub(super) const fn slots(self) -> usize {
        self.key_blocks() * NUMBERS
    }

    /// The slot at which a key is looked for first.
    pub(super) fn home(self, hash: u64) -> usize {
        // The tag is the other half of the hash.
        let low = u128::from(hash & 0xffff_ffff);
        usize::try_from((low * self.slots() as u128) >> 32).expect("less than there are slots")
    }

    /// The block of a slot.
    pub(super) const fn key_block(slot: usize) -> u64 {
        2 + (slot / NUMBERS) as u64
    }

    const fn directory(self) -> u64 {
        2 + self.key_blocks() as u64
    }

    /// The block with an item's entry in the directory.
    pub(super) const fn directory_block(self, index: usize) -> u64 {
        self.directory() + (index / NUMBERS) as u64
    }

    /// Blocks of the directory.
    pub(super) const fn directory_blocks(self) -> usize {
        self.room.div_ceil(NUMBERS)
    }

    /// Levels of each tree.
    pub(super) fn levels(self) -> usize {
        wide::levels(self.room)
    }

    fn tree_blocks(self) -> u64 {
        let levels = 0..self.levels();
        let blocks = levels.map(|level| wide::knots_in(self.room, level) as u64);
        blocks.sum()
    }

    /// The block of a knot.
    pub(super) fn knot_block(self, tree: usize, (level, at): wide::At) -> u64 {
        let below = 0..level;
        let below: u64 = below
            .map(|level| wide::knots_in(self.room, level) as u64)
            .sum();
        let trees = self.directory() + self.directory_blocks() as u64;
        trees + tree as u64 * self.tree_blocks() + below + at as u64
    }

    /// The first byte of the heap.
    pub(super) fn heap(self) -> u64 {
        self.knot_block(self.phases + 1, (0, 0)) * BLOCK as u64
    }
}

/// The entry of a key in its slot.
pub(super) fn slot_of(hash: u64, index: usize) -> u64 {
    (hash & !0xffff_ffff) | (index as u64 + 1)
}

/// The item that a slot stands for, if the slot may be that of a key with this hash.
pub(super) fn slot_matches(slot: u64, hash: u64) -> Option<usize> {
    let same = slot >> 32 == hash >> 32;
    let index = usize::try_from(slot & 0xffff_ffff).ok()?;
    same.then(|| index.checked_sub(1)).flatten()
}

/// How an entry of a tree is written: so that nothing is ever startable by accident of a zero.
pub(super) const fn due_to_number(due: i64) -> u64 {
    (due ^ wide::NEVER).cast_unsigned()
}

/// The entry of a tree.
pub(super) const fn number_to_due(number: u64) -> i64 {
    number.cast_signed() ^ wide::NEVER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            version: Header::own_version(),
            boot: "00000000-0000-0000-0000-000000000001".into(),
            nonce: u64::MAX,
            hash_keys: (u64::MAX, 2),
            generation: u32::MAX,
            clean: true,
            phases: 6,
            room: MAX_ITEMS,
            count: MAX_ITEMS,
            keys: 2 * MAX_ITEMS,
            end: u64::MAX,
            still: u64::MAX,
            moving: u64::MAX,
            operations: u64::MAX,
            digest: Digest::default(),
        }
    }

    #[test]
    fn a_header_comes_back_and_a_hurt_one_is_none() {
        let block = header().to_block().unwrap();
        assert_eq!(Header::parse(&block), Some(header()));
        for at in 0..BLOCK {
            let mut hurt = block;
            hurt[at] ^= 0x10;
            assert_eq!(Header::parse(&hurt), None, "byte {at}");
        }
    }

    #[test]
    fn areas_follow_each_other_without_a_gap() {
        for (items, phases) in [(0, 1), (36, 6), (5_000, 2)] {
            let layout = Layout::for_items(items, phases);
            assert!(layout.slots() >= layout.room * 3 && layout.room > items);
            assert_eq!(Layout::key_block(layout.slots()), layout.directory_block(0));
            assert_eq!(
                layout.directory_block(layout.room),
                layout.knot_block(0, (0, 0))
            );
            let top = (layout.levels() - 1, 0);
            for tree in 0..=phases {
                let next = layout.knot_block(tree + 1, (0, 0));
                assert_eq!(layout.knot_block(tree, top) + 1, next);
            }
            assert!(layout.home(u64::MAX) < layout.slots());
        }
    }

    #[test]
    fn a_slot_knows_its_key() {
        let hash = 0x1234_5678_9abc_def0;
        let slot = slot_of(hash, 7);
        assert_eq!(slot_matches(slot, hash), Some(7));
        assert_eq!(slot_matches(slot, hash ^ (1 << 40)), None);
        assert_eq!(slot_matches(0, 5), None);
        for due in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert_eq!(number_to_due(due_to_number(due)), due);
        }
        assert_eq!(due_to_number(wide::NEVER), 0);
    }

    #[test]
    fn an_id_is_found_whatever_its_case() {
        let header = header();
        let hash = |key| header.hash(key);
        assert_eq!(hash(Key::Id("aB")), hash(Key::Id("Ab")));
        assert_ne!(hash(Key::Name("aB")), hash(Key::Name("Ab")));
        assert_ne!(hash(Key::Name("ab")), hash(Key::Id("ab")));
    }
}
