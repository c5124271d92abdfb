//! All items, in memory: those that were changed last as they are, the others packed.

use std::borrow::Cow;
use std::fmt;

use super::slot::{Packed, Slot};
use crate::pipeline::by_name::ByName;
use crate::pipeline::enrichment::ItemData;
use crate::pipeline::index::LazyIndex;
use crate::pipeline::item::Item;
use crate::pipeline::plan::Plan;

/// How many items are unpacked at most: whoever works on so many at a time packs none of them again and again. Few where the
/// core is tested, so that its tests see items of both forms.
const UNPACKED: usize = if cfg!(test) { 3 } else { 1024 };

/// All items, by index and by name, and the index of what can be started.
#[derive(Clone, Debug, Default)]
pub(in crate::pipeline) struct Whole {
    slots: Vec<Slot>,
    /// Those that are not packed.
    unpacked: Vec<u32>,
    by_name: ByName,
    /// What can be started, in order; says nothing that the items do not say.
    pub(super) index: LazyIndex,
}

/// The items in memory, in their order.
#[derive(Clone)]
pub struct Items<'s>(std::slice::Iter<'s, Slot>);

impl<'s> Iterator for Items<'s> {
    type Item = Cow<'s, Item>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Slot::item)
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.0.nth(n).map(Slot::item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Items<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(Slot::item)
    }
}

impl ExactSizeIterator for Items<'_> {}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Equal if they have the same items ahead.
impl PartialEq for Items<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice() == other.0.as_slice()
    }
}

impl PartialEq for Whole {
    fn eq(&self, other: &Self) -> bool {
        self.slots == other.slots
    }
}

impl Whole {
    /// These items, of which no two have one name.
    pub(super) fn of_distinct(items: Vec<Packed>) -> Self {
        Self {
            slots: items.into_iter().map(Slot::Packed).collect(),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn items(&self) -> Items<'_> {
        Items(self.slots.iter())
    }

    /// The items with any of that to be found in them, in the bits of [`crate::pipeline::row::holding`].
    pub(super) fn items_with(&self, any: u8) -> impl Iterator<Item = (usize, Cow<'_, Item>)> {
        let slots = self.slots.iter().enumerate();
        let found = slots.filter(move |(_, slot)| slot.holds() & any != 0);
        found.map(|(index, slot)| (index, slot.item()))
    }

    pub(super) fn item(&self, index: usize) -> Option<Cow<'_, Item>> {
        self.slots.get(index).map(Slot::item)
    }

    pub(super) fn name(&self, index: usize) -> Option<&str> {
        self.slots.get(index).map(Slot::name)
    }

    pub(super) fn data(&self, index: usize) -> Option<&ItemData> {
        self.slots.get(index)?.data()
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.by_name
            .find(name, self.slots.len(), &|index| self.slots[index].name())
    }

    /// Adds an item whose name is not there yet; gives its index.
    pub(super) fn add(&mut self, item: Item) -> usize {
        let index = self.slots.len();
        self.make_room();
        self.slots.push(Slot::Unpacked(Box::new(item)));
        self.note_unpacked(index);
        self.by_name
            .add_last(self.slots.len(), &|index| self.slots[index].name());
        index
    }

    /// The item at an index, to be changed.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Item> {
        if self.slots.get(index)?.is_packed() {
            self.make_room();
            self.note_unpacked(index);
        }
        Some(self.slots[index].unpack())
    }

    /// The slot of an item, to put something in that does not stand in its row.
    pub(super) fn slot_mut(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index)
    }

    /// Changes every item; the index is made anew afterwards.
    pub(super) fn change_all(&mut self, change: &mut dyn FnMut(&mut Item)) {
        self.index.forget();
        let mut scratch = Vec::new();
        for slot in &mut self.slots {
            let packed = slot.is_packed();
            change(slot.unpack());
            if packed {
                slot.pack(&mut scratch);
            }
        }
    }

    /// Takes in what changed in one item.
    pub(super) fn refresh(&mut self, plan: &Plan, name: &str) {
        if self.index.made().is_some()
            && let Some(index) = self.find(name)
        {
            self.index.refresh(plan, index, &self.slots[index].item());
        }
    }

    fn note_unpacked(&mut self, index: usize) {
        let index = u32::try_from(index).expect("four billion items do not fit into memory");
        self.unpacked.push(index);
    }

    /// Packs what is unpacked, if that is as much as may be.
    fn make_room(&mut self) {
        if self.unpacked.len() < UNPACKED {
            return;
        }
        let mut scratch = Vec::new();
        for index in self.unpacked.drain(..) {
            self.slots[index as usize].pack(&mut scratch);
        }
    }
}
