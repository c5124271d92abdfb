//! Items by their names: four bytes an item, beside the items that have the names.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::item::Item;

/// Which of the items has a name. Keeps no names itself: whoever asks brings the items.
///
/// The hash has a seed of its own in each process, so that names from outside cannot be made to collide ahead of time.
#[derive(Clone, Debug, Default)]
pub(super) struct ByName {
    indexes: HashTable<u32>,
    hasher: RandomState,
}

impl ByName {
    /// The index of the item of that name.
    pub(super) fn find(&self, name: &str, items: &[Item]) -> Option<usize> {
        let is_it = |&index: &u32| items[index as usize].name.as_str() == name;
        let found = self.indexes.find(self.hasher.hash_one(name), is_it);
        found.map(|&index| index as usize)
    }

    /// Takes in the last of the items, whose name is not there yet.
    pub(super) fn add_last(&mut self, items: &[Item]) {
        let Some(last) = items.len().checked_sub(1) else {
            return;
        };
        let index = u32::try_from(last).expect("four billion items do not fit into memory");
        let hash = |&index: &u32| self.hasher.hash_one(items[index as usize].name.as_str());
        self.indexes.insert_unique(hash(&index), index, hash);
    }
}
