//! What a part of a state rests on: items that stand somewhere else and are read one at a time.

use super::index;
use super::item::Item;
use super::op_ids::OpIds;
use super::plan::Plan;
use super::wide::Knot;

/// The state through some record, kept where it need not be loaded as a whole; it does not change while it is asked.
///
/// Whoever asks cannot tell "there is none" from "it cannot be read": nothing that was decided counts unless
/// [`Base::is_sound`] still says yes afterwards.
pub trait Base: Send + Sync {
    /// How many items there are.
    fn count(&self) -> usize;

    /// The index of the item of that exact name.
    fn find(&self, name: &str) -> Option<usize>;

    /// The indexes of all items with that id, upper or lower case, in order.
    fn find_id(&self, id: &str) -> Vec<usize>;

    /// The item at an index.
    fn item(&self, index: usize) -> Option<Item>;

    /// How many levels each tree has.
    fn levels(&self) -> usize;

    /// A knot of a tree: tree `p` says from when on phase `p` of each item can be started, the tree behind the last phase
    /// which items have a phase in progress.
    fn knot(&self, tree: usize, level: usize, at: usize) -> Option<Knot>;

    /// The ids under which reports were made.
    fn operations(&self) -> OpIds;

    /// False once anything that was asked could not be read.
    fn is_sound(&self) -> bool;
}

/// The leaf of an item in a tree, as [`Base::knot`] has it: a time in microseconds, the least number for "now", the greatest for
/// "never".
pub fn leaf(plan: &Plan, item: &Item, tree: usize) -> i64 {
    if tree < plan.phases().len() {
        index::leaf(plan, item, tree)
    } else {
        index::running(item)
    }
}
