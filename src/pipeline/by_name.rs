//! Items by their names: four bytes an item, beside the items that have the names.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Which of the items has a name, made when first asked for: who lists everything asks for nobody by name. Keeps no names
/// itself: whoever asks says how many items there are, and which names they have.
///
/// The hash has a seed of its own in each process, so that names from outside cannot be made to collide ahead of time.
#[derive(Clone, Debug, Default)]
pub(super) struct ByName {
    indexes: OnceLock<HashTable<u32>>,
    hasher: RandomState,
}

/// The name of the item at an index.
type Names<'n> = &'n dyn Fn(usize) -> &'n str;

impl ByName {
    /// The index of the item of that name, out of so many.
    pub(super) fn find(&self, name: &str, count: usize, names: Names<'_>) -> Option<usize> {
        let indexes = self.indexes.get_or_init(|| self.of(count, names));
        let is_it = |&index: &u32| names(index as usize) == name;
        let found = indexes.find(self.hasher.hash_one(name), is_it);
        found.map(|&index| index as usize)
    }

    /// Takes in the last of so many items, whose name is not there yet.
    pub(super) fn add_last(&mut self, count: usize, names: Names<'_>) {
        // What is not there yet is made of all of them.
        if let Some(indexes) = self.indexes.get_mut() {
            add(indexes, &self.hasher, names, count - 1);
        }
    }

    fn of(&self, count: usize, names: Names<'_>) -> HashTable<u32> {
        let mut indexes = HashTable::with_capacity(count);
        for index in 0..count {
            add(&mut indexes, &self.hasher, names, index);
        }
        indexes
    }
}

fn add(indexes: &mut HashTable<u32>, hasher: &RandomState, names: Names<'_>, index: usize) {
    let index = u32::try_from(index).expect("four billion items do not fit into memory");
    let hash = |&index: &u32| hasher.hash_one(names(index as usize));
    indexes.insert_unique(hash(&index), index, hash);
}
