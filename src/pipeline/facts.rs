//! The narrow interface that `decide` and the commands ask: one item, one phase, what is open in order, what runs.
//!
//! Whoever answers [`Facts`] can stand in for the state in memory: a cache on disk need not load a million items
//! to answer for one.

use std::borrow::Cow;

use super::item::Item;
use super::op_ids::Operation;
use super::plan::Plan;
use super::time::Timestamp;
use crate::position::Seq;

/// A phase of an item, by index: the item's, and the phase's in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The item's index.
    pub item: usize,
    /// The phase's index in the plan.
    pub phase: usize,
}

/// What `decide` and the commands may ask about a pipeline.
pub trait Facts {
    /// The plan in force.
    fn plan(&self) -> &Plan;

    /// The last record that the answers rest on.
    fn last_seq(&self) -> Seq;

    /// How many items there are.
    fn item_count(&self) -> usize;

    /// The index of the item of that exact name.
    fn find(&self, item: &str) -> Option<usize>;

    /// The indexes of all items with that id, in order.
    fn find_id(&self, id: &str) -> Vec<usize>;

    /// The item at an index.
    fn item(&self, index: usize) -> Option<Cow<'_, Item>>;

    /// What was reported under that id, and as which record; `None` if nothing was, or it is forgotten.
    fn operation(&self, id: &str) -> Option<(Seq, &Operation)>;

    /// All phases in progress, in item order then plan order.
    fn in_progress(&self) -> Box<dyn Iterator<Item = Place> + '_>;

    /// The first place at or behind `from`, in item order then plan order, that can be started at `now`; of one phase
    /// of the plan, or of any. Its cost does not grow with the number of items.
    fn first_ready(&self, from: Place, phase: Option<usize>, now: Timestamp) -> Option<Place>;

    /// When the first backing off of what can be started in that phase is over; `None` if nothing of it backs off, or
    /// something can be started at once.
    fn next_due(&self, phase: usize) -> Option<Timestamp>;

    /// True if something of that phase can be started, now or when its backing off is over.
    fn any_startable(&self, phase: usize) -> bool;

    /// All phases that are pending or failed, in item order then plan order.
    fn open_phases(&self) -> Box<dyn Iterator<Item = Place> + '_>;
}
