//! What can be started, kept in order while records are applied: whoever takes the next piece of work does not search.
//!
//! ```text
//!   one tree a phase, a leaf an item:          now    startable, nothing to wait for
//!                      3                       time   startable from then on (backing off)
//!                  3       now                 never  done, running, held, waiting, failed for good
//!               9    3   now   never           each knot: the earliest below it
//! ```
//!
//! The first item that is ready at a moment is found by going down from the root, the earliest moment at which any is
//! stands in the root. Made from the whole state when first asked for, so that a replay pays nothing, and kept up to
//! date from then on. It says nothing that the items do not say: two states are equal whatever their indexes.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::facts::Place;
use super::item::Item;
use super::plan::Plan;
use super::ready;
use super::status::Status;
use super::time::Timestamp;
use super::wide::{NEVER, NOW};

/// The index, made when first asked for. Equal to any other: see the module.
#[derive(Clone, Debug, Default)]
pub(super) struct LazyIndex(OnceLock<Index>);

impl LazyIndex {
    /// The index of these items.
    pub(super) fn get<'i>(
        &self,
        plan: &Plan,
        items: impl ExactSizeIterator<Item = Cow<'i, Item>>,
    ) -> &Index {
        self.0.get_or_init(|| Index::of(plan, items))
    }

    /// The index, if somebody asked for it before.
    pub(super) fn made(&self) -> Option<&Index> {
        self.0.get()
    }

    /// Takes in what changed in one item, which may be new and then is the last.
    pub(super) fn refresh(&mut self, plan: &Plan, index: usize, item: &Item) {
        if let Some(inside) = self.0.get_mut() {
            inside.refresh(plan, index, item);
        }
    }

    /// Forgets everything: the plan changed.
    pub(super) fn forget(&mut self) {
        self.0.take();
    }
}

/// What can be started and what is in progress.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// By phase.
    due: Vec<Earliest>,
    running: BTreeSet<Place>,
}

impl Index {
    fn of<'i>(plan: &Plan, items: impl ExactSizeIterator<Item = Cow<'i, Item>>) -> Self {
        let phases = plan.phases().len();
        let mut leaves = vec![Vec::with_capacity(items.len()); phases];
        let mut running = BTreeSet::new();
        for (item, inside) in items.enumerate() {
            for (phase, leaves) in leaves.iter_mut().enumerate() {
                leaves.push(leaf(plan, &inside, phase));
            }
            for (phase, state) in inside.phases.iter().enumerate() {
                if state.status == Status::InProgress {
                    running.insert(Place { item, phase });
                }
            }
        }
        let due = leaves.into_iter().map(Earliest::of).collect();
        Self { due, running }
    }

    fn refresh(&mut self, plan: &Plan, index: usize, item: &Item) {
        for (phase, state) in item.phases.iter().enumerate() {
            self.due[phase].set(index, leaf(plan, item, phase));
            let place = Place { item: index, phase };
            if state.status == Status::InProgress {
                self.running.insert(place);
            } else {
                self.running.remove(&place);
            }
        }
    }

    /// The first place at or behind `from`, in item order then plan order, that can be started at `now`.
    pub(super) fn first_ready(
        &self,
        from: Place,
        phase: Option<usize>,
        now: Timestamp,
    ) -> Option<Place> {
        let phases = phase.map_or(0..self.due.len(), |phase| phase..phase + 1);
        let firsts = phases.filter_map(|phase| {
            let begin = from.item + usize::from(phase < from.phase);
            let item = self.due.get(phase)?.first(begin, now.micros())?;
            Some(Place { item, phase })
        });
        firsts.min()
    }

    /// From when on the first of a phase can be started: [`NOW`], a time, or [`NEVER`].
    pub(super) fn earliest(&self, phase: usize) -> i64 {
        self.due.get(phase).map_or(NEVER, Earliest::root)
    }

    /// All phases in progress, in order.
    pub(super) fn running(&self) -> impl Iterator<Item = Place> + '_ {
        self.running.iter().copied()
    }
}

/// [`NOW`] if a phase of an item is in progress, else [`NEVER`].
pub(super) fn running(item: &Item) -> i64 {
    let mut phases = item.phases.iter();
    if phases.any(|phase| phase.status == Status::InProgress) {
        NOW
    } else {
        NEVER
    }
}

/// From when on a phase of an item can be started.
pub(super) fn leaf(plan: &Plan, item: &Item, phase: usize) -> i64 {
    if !ready::startable(plan, item, phase) {
        return NEVER;
    }
    item.phases[phase].due.map_or(NOW, Timestamp::micros)
}

/// A tree of the earliest: leaf `i` is knot `width + i`, and each knot holds the least of its two below.
#[derive(Clone, Debug, Default)]
struct Earliest {
    knots: Vec<i64>,
    width: usize,
}

impl Earliest {
    fn of(leaves: Vec<i64>) -> Self {
        let width = leaves.len().next_power_of_two();
        let mut knots = vec![NEVER; width];
        knots.extend(leaves);
        knots.resize(2 * width, NEVER);
        for knot in (1..width).rev() {
            knots[knot] = knots[2 * knot].min(knots[2 * knot + 1]);
        }
        Self { knots, width }
    }

    fn set(&mut self, leaf: usize, due: i64) {
        if leaf >= self.width {
            let mut leaves = self.knots.split_off(self.width);
            leaves.resize(leaf + 1, NEVER);
            *self = Self::of(leaves);
        }
        let mut knot = self.width + leaf;
        self.knots[knot] = due;
        while knot > 1 {
            knot /= 2;
            let least = self.knots[2 * knot].min(self.knots[2 * knot + 1]);
            if self.knots[knot] == least {
                break;
            }
            self.knots[knot] = least;
        }
    }

    fn root(&self) -> i64 {
        self.knots.get(1).copied().unwrap_or(NEVER)
    }

    /// The first leaf at or behind `from` that is due at `now`.
    fn first(&self, from: usize, now: i64) -> Option<usize> {
        if from >= self.width {
            return None;
        }
        // Up and to the right until something is due below, then down to its first leaf.
        let mut knot = self.width + from;
        while self.knots[knot] > now || self.knots[knot] == NEVER {
            while knot % 2 == 1 {
                knot /= 2;
            }
            if knot == 0 {
                return None;
            }
            knot += 1;
        }
        while knot < self.width {
            knot *= 2;
            if self.knots[knot] > now || self.knots[knot] == NEVER {
                knot += 1;
            }
        }
        Some(knot - self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_tree_finds_what_a_search_finds(
            sets in prop::collection::vec((0_usize..40, prop::sample::select(vec![NOW, 3, 5, 9, NEVER])), 0..60),
            from in 0_usize..70,
            now in 0_i64..10,
        ) {
            let (mut tree, mut plain) = (Earliest::of(Vec::new()), Vec::new());
            for (leaf, due) in sets {
                tree.set(leaf, due);
                plain.resize(plain.len().max(leaf + 1), NEVER);
                plain[leaf] = due;
            }
            let found = (from..plain.len()).find(|&leaf| plain[leaf] <= now);
            prop_assert_eq!(tree.first(from, now), found);
            prop_assert_eq!(tree.root(), plain.iter().copied().min().unwrap_or(NEVER));
        }
    }
}
