//! Where the items of a state stand: all of them in memory, or those that were touched, over a base that has the rest.
//!
//! ```text
//!   whole   every item, by index and by name, and the index of what can be started; packed but for those changed last
//!   part    base: the items as of some record       touched: those that changed since, or are about to; they hide the base's
//! ```
//!
//! The same `apply`, `decide` and answers for both: a part says exactly what the whole would say. What concerns all items
//! (a new plan) a part cannot take: it is unsound from then on, and so it is once its base could not be read. What an
//! unsound part says does not count; whoever works with one asks [`Shelf::is_sound`] before anything is written.

mod slot;
mod part;
mod whole;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::base::Base;
use super::enrichment::ItemData;
use super::facts::Place;
use super::item::{Item, PhaseState};
use super::names::ItemId;
use super::op_ids::OpIds;
use super::plan::Plan;
use super::row::holding;
use super::status::Status;
use super::time::Timestamp;
use super::wide::NEVER;
use part::Part;
use whole::Whole;

pub use slot::Packed;
pub use whole::Items;

/// The items.
#[derive(Clone, Debug)]
pub(super) enum Shelf {
    Whole(Whole),
    Part(Part),
}

impl Default for Shelf {
    fn default() -> Self {
        Self::Whole(Whole::default())
    }
}

/// Equal if they hold the same items, wherever those stand.
impl PartialEq for Shelf {
    fn eq(&self, other: &Self) -> bool {
        if let (Self::Whole(one), Self::Whole(other)) = (self, other) {
            return one == other;
        }
        let mut indexes = 0..self.len();
        self.len() == other.len() && indexes.all(|index| self.item(index) == other.item(index))
    }
}

impl Shelf {
    /// The items that a base has.
    pub(super) fn over(base: Arc<dyn Base>, phases: usize) -> Self {
        Self::Part(Part::over(base, phases))
    }

    /// These items, of which no two have one name.
    pub(super) fn of_distinct(items: Vec<Packed>) -> Self {
        Self::Whole(Whole::of_distinct(items))
    }

    /// Adds an item out of a snapshot, unless one of its name is there: then false.
    pub(super) fn push(&mut self, item: Item) -> bool {
        let is_new = self.index_of(item.name.as_str()).is_none();
        if is_new {
            self.add(item);
        }
        is_new
    }

    fn add(&mut self, item: Item) -> usize {
        match self {
            Self::Whole(whole) => whole.add(item),
            Self::Part(part) => part.add(item),
        }
    }

    /// True as long as everything it said and took counts.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Part(part) => part.is_sound(),
        }
    }

    /// The items that were touched, if these are a part.
    pub(super) fn touched(&self) -> Option<&BTreeMap<usize, Item>> {
        match self {
            Self::Whole(_) => None,
            Self::Part(part) => Some(&part.touched),
        }
    }

    /// What a record says cannot be taken in by a part.
    pub(super) fn give_up_part(&mut self) {
        if let Self::Part(part) = self {
            part.sound = false;
        }
    }

    /// All items, in their order; `None` if not all are in memory.
    pub(super) fn all(&self) -> Option<Items<'_>> {
        match self {
            Self::Whole(whole) => Some(whole.items()),
            Self::Part(_) => None,
        }
    }

    /// The items with anything that few have, or with phases that do; none if not all are in memory.
    pub(super) fn rare(&self) -> impl Iterator<Item = (usize, Cow<'_, Item>)> {
        let whole = match self {
            Self::Whole(whole) => Some(whole),
            Self::Part(_) => None,
        };
        let found = whole.map(|whole| whole.items_with(holding::RARE));
        found.into_iter().flatten()
    }

    /// See [`super::Facts::open_phases`].
    pub(super) fn open_phases(&self) -> Box<dyn Iterator<Item = Place> + '_> {
        let open = |(item, inside): (usize, Cow<'_, Item>)| {
            let phases = inside.phases.iter().enumerate();
            let open =
                phases.filter(|(_, it)| matches!(it.status, Status::Pending | Status::Failed));
            let open: Vec<usize> = open.map(|(phase, _)| phase).collect();
            open.into_iter().map(move |phase| Place { item, phase })
        };
        match self {
            Self::Whole(whole) => Box::new(whole.items_with(holding::OPEN).flat_map(open)),
            Self::Part(part) => {
                let items = (0..part.len()).filter_map(|index| Some((index, part.item(index)?)));
                Box::new(items.flat_map(open))
            }
        }
    }

    /// Changes every item; unsound if not all are in memory.
    pub(super) fn change_all(&mut self, mut change: impl FnMut(&mut Item)) {
        self.give_up_part();
        if let Self::Whole(whole) = self {
            whole.change_all(&mut change);
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(whole) => whole.len(),
            Self::Part(part) => part.len(),
        }
    }

    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        match self {
            Self::Whole(whole) => whole.find(name),
            Self::Part(part) => part.find(name),
        }
    }

    /// The indexes of all items with that id, in order.
    pub(super) fn find_id(&self, id: &str) -> Vec<usize> {
        match self {
            Self::Whole(whole) => {
                let items = whole.items().enumerate();
                let found = items.filter(|(_, item)| item.id().eq_ignore_ascii_case(id));
                found.map(|(index, _)| index).collect()
            }
            Self::Part(part) => part.find_id(id),
        }
    }

    pub(super) fn item(&self, index: usize) -> Option<Cow<'_, Item>> {
        match self {
            Self::Whole(whole) => whole.item(index),
            Self::Part(part) => part.item(index),
        }
    }

    /// The name of an item in memory.
    pub(super) fn name(&self, index: usize) -> Option<&str> {
        match self {
            Self::Whole(whole) => whole.name(index),
            Self::Part(_) => None,
        }
    }

    /// The data of an item in memory, if it has any.
    pub(super) fn data(&self, index: usize) -> Option<&ItemData> {
        match self {
            Self::Whole(whole) => whole.data(index),
            Self::Part(_) => None,
        }
    }

    /// The item of that name, to be changed; made with so many phases if there is none.
    pub(super) fn item_mut(&mut self, name: &ItemId, phases: usize) -> &mut Item {
        let index = match self.index_of(name.as_str()) {
            Some(index) => index,
            None => self.add(Item::new(name.clone(), phases)),
        };
        match self {
            Self::Whole(whole) => whole
                .at_mut(index)
                .expect("it was found, or added just now"),
            Self::Part(part) => part.at_mut(index, name),
        }
    }

    /// The item at an index, to be changed by who puts a state together; `None` if there is none, or not all are in memory.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Item> {
        self.give_up_part();
        match self {
            Self::Whole(whole) => {
                whole.index.forget();
                whole.at_mut(index)
            }
            Self::Part(_) => None,
        }
    }

    /// Puts in the data of an item; `None` if there is none, or not all are in memory.
    pub(super) fn set_data(&mut self, index: usize, data: Option<ItemData>) -> Option<()> {
        self.give_up_part();
        match self {
            Self::Whole(whole) => {
                whole.slot_mut(index)?.set_data(data.map(Arc::new));
                Some(())
            }
            Self::Part(_) => None,
        }
    }

    /// Loads an item, so that a record about it can be taken in without asking the base.
    pub(super) fn touch(&mut self, name: &ItemId) {
        if let Self::Part(part) = self {
            part.touch(name);
        }
    }

    /// Takes in what changed in one item.
    pub(super) fn refresh(&mut self, plan: &Plan, name: &ItemId) {
        if let Self::Whole(whole) = self {
            whole.refresh(plan, name.as_str());
        }
    }

    /// The phase of an item in memory, to be changed for a look.
    pub(super) fn phase_mut(&mut self, place: Place) -> Option<&mut PhaseState> {
        match self {
            Self::Whole(whole) => whole.at_mut(place.item)?.phases.get_mut(place.phase),
            Self::Part(_) => None,
        }
    }

    /// The base's operation ids; `None` if all are in memory.
    pub(super) fn operations(&self) -> Option<&OpIds> {
        match self {
            Self::Whole(_) => None,
            Self::Part(part) => Some(part.operations()),
        }
    }

    /// See [`super::Facts::in_progress`].
    pub(super) fn in_progress(&self, plan: &Plan) -> Box<dyn Iterator<Item = Place> + '_> {
        match self {
            Self::Whole(whole) => {
                match whole.index.made() {
                    Some(index) => Box::new(index.running()),
                    // To look through the items once takes a tenth of what an index of them takes.
                    None => Box::new(whole.items_with(holding::RUNNING).flat_map(
                        |(item, inside)| {
                            let phases = in_progress_of(&inside).into_iter();
                            phases.map(move |phase| Place { item, phase })
                        },
                    )),
                }
            }
            Self::Part(part) => Box::new(part.running(plan).into_iter().flat_map(|item| {
                let found = part.item(item);
                let phases = found.map_or_else(Vec::new, |found| in_progress_of(&found));
                phases.into_iter().map(move |phase| Place { item, phase })
            })),
        }
    }

    /// See [`super::Facts::first_ready`].
    pub(super) fn first_ready(
        &self,
        plan: &Plan,
        from: Place,
        phase: Option<usize>,
        now: Timestamp,
    ) -> Option<Place> {
        match self {
            Self::Whole(whole) => {
                let index = whole.index.get(plan, whole.items());
                index.first_ready(from, phase, now)
            }
            Self::Part(part) => {
                let phases = phase.map_or(0..plan.phases().len(), |phase| phase..phase + 1);
                let firsts = phases.filter_map(|phase| {
                    let begin = from.item + usize::from(phase < from.phase);
                    let item = part.first_ready(plan, phase, begin, now.micros())?;
                    Some(Place { item, phase })
                });
                firsts.min()
            }
        }
    }

    /// From when on the first of a phase can be started: [`super::wide::NOW`], a time, or [`NEVER`].
    pub(super) fn earliest(&self, plan: &Plan, phase: usize) -> i64 {
        match self {
            Self::Whole(whole) => whole.index.get(plan, whole.items()).earliest(phase),
            Self::Part(part) if phase < plan.phases().len() => part.earliest(plan, phase),
            Self::Part(_) => NEVER,
        }
    }
}

fn in_progress_of(item: &Item) -> Vec<usize> {
    let phases = item.phases.iter().enumerate();
    phases
        .filter(|(_, phase)| phase.status == Status::InProgress)
        .map(|(index, _)| index)
        .collect()
}
