//! Wide trees of the earliest: as those of the index, but each knot holds 63, so that a million leaves are four reads deep.
//!
//! ```text
//!   level 1    [ 3  9  -  … ]              one knot: entry i is the least of knot i of the level below
//!                /   \
//!   level 0  [now 3 …] [9 - …] …           the leaves, 63 in a knot
//! ```
//!
//! Pure: where the knots are is the caller's business, who gives them one at a time.

use std::collections::BTreeMap;

/// How many entries a knot has: with a checksum and the number of the change that wrote it they fill 512 bytes.
pub const FAN: usize = 63;

/// The entries of one knot.
pub type Knot = [i64; FAN];

/// Startable at once.
pub const NOW: i64 = i64::MIN;

/// Not startable, however long one waits.
pub const NEVER: i64 = i64::MAX;

/// A knot's place in its tree: level 0 has the leaves.
pub type At = (usize, usize);

/// How many levels a tree of so many leaves has; the topmost has one knot.
pub fn levels(leaves: usize) -> usize {
    let mut levels = 1;
    let mut knots = leaves.div_ceil(FAN);
    while knots > 1 {
        knots = knots.div_ceil(FAN);
        levels += 1;
    }
    levels
}

/// How many knots a level of a tree of so many leaves has.
pub fn knots_in(leaves: usize, level: usize) -> usize {
    let mut knots = leaves;
    for _ in 0..=level {
        knots = knots.div_ceil(FAN);
    }
    knots.max(1)
}

/// The knots of each level over these leaves, the leaves first; room for `room` leaves.
pub fn build(leaves: Vec<i64>, room: usize) -> Vec<Vec<Knot>> {
    let mut all: Vec<Vec<Knot>> = Vec::new();
    let mut below = leaves;
    for level in 0..levels(room) {
        below.resize(knots_in(room, level) * FAN, NEVER);
        let knots: Vec<Knot> = below
            .chunks_exact(FAN)
            .map(|entries| entries.try_into().expect("a chunk is as long as a knot"))
            .collect();
        below = knots.iter().map(least).collect();
        all.push(knots);
    }
    all
}

fn least(knot: &Knot) -> i64 {
    knot.iter().copied().min().unwrap_or(NEVER)
}

/// A tree whose knots are read when they are needed. `None` where a knot cannot be read; then no answer counts.
pub(super) struct Tree<'a> {
    pub(super) levels: usize,
    pub(super) knot: &'a dyn Fn(At) -> Option<Knot>,
}

impl Tree<'_> {
    /// The first leaf at or behind `from` that is due at `now` and not to be skipped.
    pub(super) fn first(
        &self,
        from: usize,
        now: i64,
        skip: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        self.first_below((self.levels - 1, 0), from, now, skip)
    }

    fn first_below(
        &self,
        (level, at): At,
        from: usize,
        now: i64,
        skip: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        let knot = (self.knot)((level, at))?;
        let span = span(level);
        for (entry, &due) in knot.iter().enumerate() {
            let below = at * FAN + entry;
            if due > now || due == NEVER || (below + 1) * span <= from {
                continue;
            }
            let found = match level.checked_sub(1) {
                None => (!skip(below)).then_some(below),
                Some(level) => self.first_below((level, below), from, now, skip),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The least of all leaves but those to be skipped, which are given in order.
    pub(super) fn least_but(&self, skipped: &[usize]) -> i64 {
        self.least_below((self.levels - 1, 0), skipped)
    }

    fn least_below(&self, (level, at): At, skipped: &[usize]) -> i64 {
        let Some(knot) = (self.knot)((level, at)) else {
            return NEVER;
        };
        if skipped.is_empty() {
            return least(&knot);
        }
        let span = span(level);
        let of_entry = |(entry, &due): (usize, &i64)| {
            let first = (at * FAN + entry) * span;
            let begin = skipped.partition_point(|&leaf| leaf < first);
            let end = skipped.partition_point(|&leaf| leaf < first + span);
            match level.checked_sub(1) {
                _ if begin == end => due,
                None => NEVER,
                Some(level) => self.least_below((level, at * FAN + entry), &skipped[begin..end]),
            }
        };
        knot.iter().enumerate().map(of_entry).min().unwrap_or(NEVER)
    }
}

/// How many leaves stand below one entry of a knot.
fn span(level: usize) -> usize {
    (0..level).fold(1, |span: usize, _| span.saturating_mul(FAN))
}

/// Sets a leaf in a tree of so many levels, and whatever stands above it. Knots come from `changed` where they are there already,
/// else from `read`; those that change are left in `changed`. `None` if one cannot be read.
pub fn set(
    changed: &mut BTreeMap<At, Knot>,
    levels: usize,
    read: &dyn Fn(At) -> Option<Knot>,
    leaf: usize,
    due: i64,
) -> Option<()> {
    let (mut entry, mut value) = (leaf, due);
    for level in 0..levels {
        let at = (level, entry / FAN);
        let mut knot = match changed.get(&at) {
            Some(knot) => *knot,
            None => read(at)?,
        };
        if knot[entry % FAN] == value {
            return Some(());
        }
        knot[entry % FAN] = value;
        changed.insert(at, knot);
        (entry, value) = (entry / FAN, least(&knot));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_tree_finds_what_a_search_finds(
            begin in prop::collection::vec(prop::sample::select(vec![NOW, 3, 5, 9, NEVER]), 0..300),
            sets in prop::collection::vec((0_usize..9_000, prop::sample::select(vec![NOW, 3, 5, 9, NEVER])), 0..60),
            skipped in prop::collection::btree_set(0_usize..9_000, 0..20),
            from in 0_usize..9_100,
            now in 0_i64..10,
        ) {
            const ROOM: usize = 9_000;
            let mut plain = begin.clone();
            plain.resize(ROOM, NEVER);
            let levels = levels(ROOM);
            let mut knots: BTreeMap<At, Knot> = BTreeMap::new();
            for (level, row) in build(begin.clone(), ROOM).into_iter().enumerate() {
                knots.extend(row.into_iter().enumerate().map(|(at, knot)| ((level, at), knot)));
            }
            for (leaf, due) in sets {
                let mut changed = BTreeMap::new();
                set(&mut changed, levels, &|at| knots.get(&at).copied(), leaf, due).unwrap();
                knots.extend(changed);
                plain[leaf] = due;
            }
            let read = |at| knots.get(&at).copied();
            let tree = Tree { levels, knot: &read };
            let found = (from..ROOM).find(|leaf| plain[*leaf] <= now && !skipped.contains(leaf));
            prop_assert_eq!(tree.first(from, now, &|leaf| skipped.contains(&leaf)), found);
            let others = (0..ROOM).filter(|leaf| !skipped.contains(leaf)).map(|leaf| plain[leaf]);
            let skipped: Vec<usize> = skipped.iter().copied().collect();
            prop_assert_eq!(tree.least_but(&skipped), others.min().unwrap());
        }
    }

    #[test]
    fn a_tree_is_as_deep_as_it_must_be() {
        let shapes = [0, 1, 63, 64, 3_969, 3_970, 1_000_000]
            .map(|leaves| (levels(leaves), knots_in(leaves, 0)));
        assert_eq!(
            shapes,
            [
                (1, 1),
                (1, 1),
                (1, 1),
                (2, 2),
                (2, 63),
                (3, 64),
                (4, 15_874)
            ]
        );
    }
}
