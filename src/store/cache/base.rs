//! A cache as the base of a state: each question is a few reads in place.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::block::{self, NUMBERS};
use super::layout::{Header, Key, number_to_due, slot_matches};
use crate::pipeline::base::Base;
use crate::pipeline::op_ids::OpIds;
use crate::pipeline::wide::Knot;
use crate::pipeline::{Item, row};
use crate::ports::File;

/// An open cache. It is read under the append lock, so that it does not change.
pub(super) struct CacheBase {
    pub(super) file: Arc<dyn File>,
    pub(super) header: Header,
    sound: AtomicBool,
}

impl CacheBase {
    pub(super) fn new(file: Arc<dyn File>, header: Header) -> Self {
        Self {
            file,
            header,
            sound: AtomicBool::new(true),
        }
    }

    /// The value, or that this is no base any more.
    fn note<T>(&self, read: io::Result<T>) -> Option<T> {
        if read.is_err() {
            self.sound.store(false, Ordering::Relaxed);
        }
        read.ok()
    }

    /// The numbers of a block.
    pub(super) fn numbers(&self, number: u64) -> io::Result<[u64; NUMBERS]> {
        let content = self.header.tie().read(&*self.file, number)?;
        Ok(block::numbers(&content))
    }

    /// A text in the heap, and its room.
    pub(super) fn text(&self, at: u64) -> io::Result<(u32, Vec<u8>)> {
        self.header.tie().read_text(&*self.file, at)
    }

    /// Where in the heap an item is.
    pub(super) fn place_of(&self, index: usize) -> io::Result<u64> {
        let block = self.header.layout().directory_block(index);
        Ok(self.numbers(block)?[index % NUMBERS])
    }

    fn read_item(&self, index: usize) -> io::Result<Item> {
        let (_, text) = self.text(self.place_of(index)?)?;
        let item = row::decode(&text).ok_or_else(block::damaged)?;
        let whole = item.phases.len() == self.header.phases;
        whole.then_some(item).ok_or_else(block::damaged)
    }

    /// Every item that `is` the one that has this key, until it says that it has enough.
    fn search(&self, key: Key<'_>, is: &mut dyn FnMut(usize, &Item) -> bool) -> io::Result<()> {
        let (layout, hash) = (self.header.layout(), self.header.hash(key));
        let slots = layout.slots();
        let mut slot = layout.home(hash);
        let mut block = None;
        for _ in 0..slots {
            let number = super::layout::Layout::key_block(slot);
            let numbers = match block {
                Some((loaded, numbers)) if loaded == number => numbers,
                _ => self.numbers(number)?,
            };
            block = Some((number, numbers));
            let entry = numbers[slot % NUMBERS];
            if entry == 0 {
                return Ok(());
            }
            if let Some(index) = slot_matches(entry, hash)
                && is(index, &self.read_item(index)?)
            {
                return Ok(());
            }
            slot = (slot + 1) % slots;
        }
        Err(block::damaged())
    }
}

impl Base for CacheBase {
    fn count(&self) -> usize {
        self.header.count
    }

    fn find(&self, name: &str) -> Option<usize> {
        let mut found = None;
        let searched = self.search(Key::Name(name), &mut |index, item| {
            let same = item.name.as_str() == name;
            found = found.or(same.then_some(index));
            same
        });
        self.note(searched)?;
        found
    }

    fn find_id(&self, id: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let searched = self.search(Key::Id(id), &mut |index, item| {
            if item.id().eq_ignore_ascii_case(id) {
                found.push(index);
            }
            false
        });
        self.note(searched);
        found.sort_unstable();
        found
    }

    fn item(&self, index: usize) -> Option<Item> {
        if index >= self.header.count {
            return None;
        }
        self.note(self.read_item(index))
    }

    fn levels(&self) -> usize {
        self.header.layout().levels()
    }

    fn knot(&self, tree: usize, level: usize, at: usize) -> Option<Knot> {
        let block = self.header.layout().knot_block(tree, (level, at));
        let numbers = self.note(self.numbers(block))?;
        Some(numbers.map(number_to_due))
    }

    fn operations(&self) -> OpIds {
        let read = self
            .text(self.header.operations)
            .and_then(|(_, text)| row::decode_operations(&text).ok_or_else(block::damaged));
        self.note(read).unwrap_or_default()
    }

    fn is_sound(&self) -> bool {
        self.sound.load(Ordering::Relaxed)
    }
}
