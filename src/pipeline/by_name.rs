//! Items by their names: four bytes an item, beside the items that have the names.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::item::Item;

/// Which of the items has a name, made when first asked for: who lists everything asks for nobody by name. Keeps no names
/// itself: whoever asks brings the items.
///
/// The hash has a seed of its own in each process, so that names from outside cannot be made to collide ahead of time.
#[derive(Clone, Debug, Default)]
pub(super) struct ByName {
    indexes: OnceLock<HashTable<u32>>,
    hasher: RandomState,
}

impl ByName {
    /// The index of the item of that name.
    pub(super) fn find(&self, name: &str, items: &[Item]) -> Option<usize> {
        let indexes = self.indexes.get_or_init(|| self.of(items));
        let is_it = |&index: &u32| items[index as usize].name.as_str() == name;
        let found = indexes.find(self.hasher.hash_one(name), is_it);
        found.map(|&index| index as usize)
    }

    /// Takes in the last of the items, whose name is not there yet.
    pub(super) fn add_last(&mut self, items: &[Item]) {
        // What is not there yet is made of all of them.
        if let Some(indexes) = self.indexes.get_mut() {
            add(indexes, &self.hasher, items, items.len() - 1);
        }
    }

    fn of(&self, items: &[Item]) -> HashTable<u32> {
        let mut indexes = HashTable::with_capacity(items.len());
        for index in 0..items.len() {
            add(&mut indexes, &self.hasher, items, index);
        }
        indexes
    }
}

fn add(indexes: &mut HashTable<u32>, hasher: &RandomState, items: &[Item], index: usize) {
    let index = u32::try_from(index).expect("four billion items do not fit into memory");
    let hash = |&index: &u32| hasher.hash_one(items[index as usize].name.as_str());
    indexes.insert_unique(hash(&index), index, hash);
}
