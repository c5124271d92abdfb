//! Takes what changed since into a cache, in place.
//!
//! ```text
//!   everything that has to be read, read        -> nothing is changed if any of it cannot be
//!   header, unclean -> texts, blocks -> header, clean, and one change further
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::End;
use super::base::CacheBase;
use super::block::{self, BLOCK, NUMBERS, Tie, content, room_for, taken};
use super::layout::{Header, Key, Layout, due_to_number, number_to_due, slot_of};
use super::rows::{Moving, Still};
use crate::pipeline::base::leaf as base_leaf;
use crate::pipeline::{Item, PipelineState, row, wide};
use crate::store::facts::SnapshotFacts;

/// What is going to be written, and where.
struct Draft<'c> {
    base: &'c CacheBase,
    /// With what changes in it.
    header: Header,
    tie: Tie,
    texts: Vec<(u64, Vec<u8>)>,
    /// Blocks of numbers, by block number.
    blocks: BTreeMap<u64, [u64; NUMBERS]>,
    /// The same, as they are written.
    sealed: Vec<(u64, [u8; BLOCK])>,
}

/// Writes what was touched over the base, and how far it goes now; gives the cache as it then is. `None` if there is no room: it
/// is time for a larger one.
///
/// # Errors
/// As the system says. Whatever is on the disk then is not clean, or as it was.
pub(super) fn save(
    base: &CacheBase,
    state: &PipelineState,
    end: &End,
    facts: &SnapshotFacts,
) -> io::Result<Option<CacheBase>> {
    let Some(touched) = state.touched() else {
        return Ok(None);
    };
    let Some(generation) = base.header.generation.checked_add(1) else {
        return Ok(None);
    };
    let header = Header {
        generation,
        clean: true,
        ..base.header.clone()
    };
    let mut draft = Draft {
        base,
        tie: header.tie(),
        header,
        texts: Vec::new(),
        blocks: BTreeMap::new(),
        sealed: Vec::new(),
    };
    if draft.take(state, touched, end, facts)?.is_none() {
        return Ok(None);
    }
    draft.write()?;
    Ok(Some(CacheBase::new(Arc::clone(&base.file), draft.header)))
}

impl Draft<'_> {
    /// Works out everything. `None` if it does not fit.
    fn take(
        &mut self,
        state: &PipelineState,
        touched: &BTreeMap<usize, Item>,
        end: &End,
        facts: &SnapshotFacts,
    ) -> io::Result<Option<()>> {
        for (&index, item) in touched {
            let mut text = Vec::new();
            row::encode(item, &mut text);
            let placed = if index < self.base.header.count {
                let before = self.base.place_of(index)?;
                self.replace(before, &text)?
            } else {
                self.add(index, item, &text)?
            };
            let Some(place) = placed else {
                return Ok(None);
            };
            let block = self.header.layout().directory_block(index);
            self.set(block, index % NUMBERS, place)?;
        }
        self.plant(state, touched)?;
        let Some(moving) = Moving::of(state, end, facts) else {
            return Ok(None);
        };
        let moving = serde_json::to_vec(&moving)?;
        let Some(place) = self.replace(self.header.moving, &moving)? else {
            return Ok(None);
        };
        self.header.moving = place;
        let still = serde_json::to_vec(&Still::of(state))?;
        if self.base.text(self.header.still)?.1 != still {
            let Some(place) = self.replace(self.header.still, &still)? else {
                return Ok(None);
            };
            self.header.still = place;
        }
        if let Some(operations) = state.changed_operations() {
            let mut text = Vec::new();
            row::encode_operations(operations, &mut text);
            let Some(place) = self.replace(self.header.operations, &text)? else {
                return Ok(None);
            };
            self.header.operations = place;
        }
        self.seal()?;
        Ok(Some(()))
    }

    /// Puts a text where another was, or at the end if it needs more room; gives where.
    fn replace(&mut self, before: u64, text: &[u8]) -> io::Result<Option<u64>> {
        let (room, _) = self.base.text(before)?;
        let crc = block::stated_crc_of_text(&*self.base.file, before)?;
        self.header.digest.toggle(before, crc);
        match self.tie.wrap(before, room, text) {
            Some(bytes) => {
                self.put(before, bytes);
                Ok(Some(before))
            }
            None => Ok(self.append(text)),
        }
    }

    fn put(&mut self, place: u64, wrapped: Vec<u8>) {
        self.header.digest.add_text(place, &wrapped);
        self.texts.push((place, wrapped));
    }

    fn append(&mut self, text: &[u8]) -> Option<u64> {
        let (place, room) = (self.header.end, room_for(text.len())?);
        let wrapped = self.tie.wrap(place, room, text)?;
        self.put(place, wrapped);
        self.header.end = place.checked_add(taken(room))?;
        Some(place)
    }

    /// A new item: its keys, and its text.
    fn add(&mut self, index: usize, item: &Item, text: &[u8]) -> io::Result<Option<u64>> {
        let fits = index < self.header.room && item.phases.len() == self.header.phases;
        if !fits {
            return Ok(None);
        }
        let id = item.id();
        for key in [Key::Name(item.name.as_str()), Key::Id(&id)] {
            let hash = self.header.hash(key);
            let layout = self.header.layout();
            let mut slot = layout.home(hash);
            // A third of the slots is free at least, for there is room for the item.
            while self.numbers(Layout::key_block(slot))?[slot % NUMBERS] != 0 {
                slot = (slot + 1) % layout.slots();
            }
            self.set(
                Layout::key_block(slot),
                slot % NUMBERS,
                slot_of(hash, index),
            )?;
            self.header.keys += 1;
        }
        self.header.count = self.header.count.max(index + 1);
        Ok(self.append(text))
    }

    /// Takes what was touched into the trees.
    fn plant(&mut self, state: &PipelineState, touched: &BTreeMap<usize, Item>) -> io::Result<()> {
        let layout = self.header.layout();
        let base = self.base;
        for tree in 0..=layout.phases {
            let read = |at| {
                let numbers = base.numbers(layout.knot_block(tree, at)).ok()?;
                Some(numbers.map(number_to_due))
            };
            let mut changed = BTreeMap::new();
            for (&index, item) in touched {
                let due = base_leaf(&state.plan, item, tree);
                let set = wide::set(&mut changed, layout.levels(), &read, index, due);
                set.ok_or_else(block::damaged)?;
            }
            let changed = changed.into_iter();
            let knots =
                changed.map(|(at, knot)| (layout.knot_block(tree, at), knot.map(due_to_number)));
            self.blocks.extend(knots);
        }
        Ok(())
    }

    fn numbers(&self, block: u64) -> io::Result<[u64; NUMBERS]> {
        match self.blocks.get(&block) {
            Some(numbers) => Ok(*numbers),
            None => self.base.numbers(block),
        }
    }

    fn set(&mut self, block: u64, entry: usize, value: u64) -> io::Result<()> {
        let mut numbers = self.numbers(block)?;
        if numbers[entry] != value {
            numbers[entry] = value;
            self.blocks.insert(block, numbers);
        }
        Ok(())
    }

    /// Makes the blocks ready to be written.
    fn seal(&mut self) -> io::Result<()> {
        for (&number, numbers) in &self.blocks {
            let crc = block::stated_crc_of_block(&*self.base.file, number)?;
            let block = self.tie.seal(number, &content(numbers));
            self.header.digest.toggle(number * BLOCK as u64, crc);
            self.header.digest.add_block(number, &block);
            self.sealed.push((number, block));
        }
        Ok(())
    }

    fn write(&self) -> io::Result<()> {
        let file = &*self.base.file;
        let unclean = Header {
            clean: false,
            ..self.header.clone()
        };
        let header = |header: &Header| header.to_block().ok_or_else(block::damaged);
        let (unclean, clean) = (header(&unclean)?, header(&self.header)?);
        file.write_full_at(0, &unclean)?;
        for (at, bytes) in &self.texts {
            file.write_full_at(*at, bytes)?;
        }
        for (number, block) in &self.sealed {
            file.write_full_at(number * BLOCK as u64, block)?;
        }
        file.write_full_at(0, &clean)
    }
}
