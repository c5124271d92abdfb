//! Where the items of a state stand: all of them in memory, or those that were touched, over a base that has the rest.
//!
//! ```text
//!   whole   every item, by index and by name, and the index of what can be started
//!   part    base: the items as of some record       touched: those that changed since, or are about to; they hide the base's
//! ```
//!
//! The same `apply`, `decide` and answers for both: a part says exactly what the whole would say. What concerns all items
//! (a new plan) a part cannot take: it is unsound from then on, and so it is once its base could not be read. What an
//! unsound part says does not count; whoever works with one asks [`Shelf::is_sound`] before anything is written.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use super::base::Base;
use super::by_name::ByName;
use super::facts::Place;
use super::index::{self, LazyIndex};
use super::item::{Item, PhaseState};
use super::names::ItemId;
use super::op_ids::OpIds;
use super::plan::Plan;
use super::status::Status;
use super::time::Timestamp;
use super::wide::{NEVER, NOW, Tree};

/// The items.
#[derive(Clone, Debug)]
pub(super) enum Shelf {
    Whole(Whole),
    Part(Part),
}

/// All items, in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    items: Vec<Item>,
    by_name: ByName,
    /// What can be started, in order; says nothing that the items do not say.
    index: LazyIndex,
}

/// The items that were touched, over a base.
#[derive(Clone)]
pub(super) struct Part {
    base: Arc<dyn Base>,
    touched: BTreeMap<usize, Item>,
    by_name: HashMap<ItemId, usize>,
    /// How many items there are, those behind the base's included.
    count: usize,
    /// How many phases each of the base's items has.
    phases: usize,
    /// The base's operation ids, once somebody asked.
    operations: OnceLock<OpIds>,
    sound: bool,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("touched", &self.touched)
            .field("count", &self.count)
            .field("sound", &self.sound)
            .finish_non_exhaustive()
    }
}

impl Default for Shelf {
    fn default() -> Self {
        Self::Whole(Whole::default())
    }
}

/// Equal if they hold the same items, wherever those stand.
impl PartialEq for Shelf {
    fn eq(&self, other: &Self) -> bool {
        let mut indexes = 0..self.len();
        self.len() == other.len() && indexes.all(|index| self.item(index) == other.item(index))
    }
}

impl Shelf {
    /// The items that a base has.
    pub(super) fn over(base: Arc<dyn Base>, phases: usize) -> Self {
        Self::Part(Part {
            count: base.count(),
            phases,
            base,
            touched: BTreeMap::new(),
            by_name: HashMap::new(),
            operations: OnceLock::new(),
            sound: true,
        })
    }

    /// These items, of which no two have one name.
    pub(super) fn of_distinct(items: Vec<Item>) -> Self {
        Self::Whole(Whole {
            items,
            ..Whole::default()
        })
    }

    /// Adds an item out of a snapshot, unless one of its name is there.
    pub(super) fn push(&mut self, item: Item) {
        if self.index_of(item.name.as_str()).is_none() {
            self.put(item);
        }
    }

    fn put(&mut self, item: Item) -> usize {
        match self {
            Self::Whole(whole) => {
                whole.items.push(item);
                whole.by_name.add_last(&whole.items);
                whole.items.len() - 1
            }
            Self::Part(part) => {
                let index = part.count;
                part.count += 1;
                part.by_name.insert(item.name.clone(), index);
                part.touched.insert(index, item);
                index
            }
        }
    }

    /// True as long as everything it said and took counts.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Part(part) => part.sound && part.base.is_sound(),
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
    pub(super) fn all(&self) -> Option<&[Item]> {
        match self {
            Self::Whole(whole) => Some(&whole.items),
            Self::Part(_) => None,
        }
    }

    /// All items, to be changed; `None`, and unsound, if not all are in memory. The index is made anew afterwards.
    pub(super) fn all_mut(&mut self) -> Option<&mut [Item]> {
        self.give_up_part();
        match self {
            Self::Whole(whole) => {
                whole.index.forget();
                Some(&mut whole.items)
            }
            Self::Part(_) => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(whole) => whole.items.len(),
            Self::Part(part) => part.count,
        }
    }

    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        match self {
            Self::Whole(whole) => whole.by_name.find(name, &whole.items),
            Self::Part(part) => {
                let touched = part.by_name.get(name).copied();
                touched.or_else(|| part.base.find(name))
            }
        }
    }

    /// The indexes of all items with that id, in order.
    pub(super) fn find_id(&self, id: &str) -> Vec<usize> {
        let has = |item: &Item| item.id().eq_ignore_ascii_case(id);
        match self {
            Self::Whole(whole) => {
                let indexes = 0..whole.items.len();
                indexes.filter(|&index| has(&whole.items[index])).collect()
            }
            Self::Part(part) => {
                let untouched = |index: &usize| !part.touched.contains_key(index);
                let mut found = part.base.find_id(id);
                found.retain(untouched);
                let touched = part.touched.iter().filter(|(_, item)| has(item));
                found.extend(touched.map(|(&index, _)| index));
                found.sort_unstable();
                found
            }
        }
    }

    pub(super) fn item(&self, index: usize) -> Option<Cow<'_, Item>> {
        match self {
            Self::Whole(whole) => whole.items.get(index).map(Cow::Borrowed),
            Self::Part(part) => match part.touched.get(&index) {
                Some(item) => Some(Cow::Borrowed(item)),
                None if index < part.base.count() => Some(Cow::Owned(part.of_base(index).0)),
                None => None,
            },
        }
    }

    /// The item of that name, if it is in memory.
    pub(super) fn in_memory(&self, name: &ItemId) -> Option<&Item> {
        match self {
            Self::Whole(whole) => whole
                .items
                .get(whole.by_name.find(name.as_str(), &whole.items)?),
            Self::Part(part) => part.touched.get(part.by_name.get(name)?),
        }
    }

    /// The item of that name, to be changed; made with so many phases if there is none.
    pub(super) fn item_mut(&mut self, name: &ItemId, phases: usize) -> &mut Item {
        let index = match self.index_of(name.as_str()) {
            Some(index) => index,
            None => self.put(Item::new(name.clone(), phases)),
        };
        self.at_mut(index, name)
    }

    fn at_mut(&mut self, index: usize, name: &ItemId) -> &mut Item {
        match self {
            Self::Whole(whole) => &mut whole.items[index],
            Self::Part(part) => {
                if !part.touched.contains_key(&index) {
                    let (item, sound) = part.of_base(index);
                    part.sound &= sound;
                    part.touched.insert(index, item);
                    part.by_name.insert(name.clone(), index);
                }
                let touched = part.touched.get_mut(&index);
                touched.expect("it was touched before, or just now")
            }
        }
    }

    /// Loads an item, so that a record about it can be taken in without asking the base.
    pub(super) fn touch(&mut self, name: &ItemId) {
        if let Self::Part(part) = self
            && !part.by_name.contains_key(name)
            && let Some(index) = part.base.find(name.as_str())
        {
            self.at_mut(index, name);
        }
    }

    /// Takes in what changed in one item.
    pub(super) fn refresh(&mut self, plan: &Plan, name: &ItemId) {
        if let Self::Whole(whole) = self
            && let Some(index) = whole.by_name.find(name.as_str(), &whole.items)
        {
            whole.index.refresh(plan, index, &whole.items[index]);
        }
    }

    /// The phase of an item in memory, to be changed for a look.
    pub(super) fn phase_mut(&mut self, place: Place) -> Option<&mut PhaseState> {
        match self {
            Self::Whole(whole) => whole.items.get_mut(place.item)?.phases.get_mut(place.phase),
            Self::Part(_) => None,
        }
    }

    /// The base's operation ids; `None` if all are in memory.
    pub(super) fn operations(&self) -> Option<&OpIds> {
        match self {
            Self::Whole(_) => None,
            Self::Part(part) => Some(part.operations.get_or_init(|| part.base.operations())),
        }
    }

    /// See [`super::Facts::in_progress`].
    pub(super) fn in_progress(&self, plan: &Plan) -> Box<dyn Iterator<Item = Place> + '_> {
        match self {
            Self::Whole(whole) => match whole.index.made() {
                Some(index) => Box::new(index.running()),
                // To look through the items once takes a tenth of what an index of them takes.
                None => Box::new(whole.items.iter().enumerate().flat_map(|(item, inside)| {
                    let phases = in_progress_of(inside).into_iter();
                    phases.map(move |phase| Place { item, phase })
                })),
            },
            Self::Part(part) => {
                let tree = plan.phases().len();
                let mut items = Vec::new();
                let mut next = part.first_due(tree, 0, NOW);
                while let Some(index) = next {
                    items.push(index);
                    next = part.first_due(tree, index + 1, NOW);
                }
                let touched = part.touched.iter();
                items.extend(
                    touched
                        .filter(|(_, item)| index::running(item) == NOW)
                        .map(|(&index, _)| index),
                );
                items.sort_unstable();
                Box::new(items.into_iter().flat_map(|item| {
                    let found = self.item(item);
                    let phases = found.map_or_else(Vec::new, |found| in_progress_of(&found));
                    phases.into_iter().map(move |phase| Place { item, phase })
                }))
            }
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
                let index = whole.index.get(plan, &whole.items);
                index.first_ready(from, phase, now)
            }
            Self::Part(part) => {
                let phases = phase.map_or(0..plan.phases().len(), |phase| phase..phase + 1);
                let firsts = phases.filter_map(|phase| {
                    let begin = from.item + usize::from(phase < from.phase);
                    let below = part.first_due(phase, begin, now.micros());
                    let due = |item: &Item| {
                        let due = index::leaf(plan, item, phase);
                        due <= now.micros() && due != NEVER
                    };
                    let mut touched = part.touched.range(begin..);
                    let above = touched.find(|(_, item)| due(item)).map(|(&index, _)| index);
                    let item = below.into_iter().chain(above).min()?;
                    Some(Place { item, phase })
                });
                firsts.min()
            }
        }
    }

    /// From when on the first of a phase can be started: [`NOW`], a time, or [`NEVER`].
    pub(super) fn earliest(&self, plan: &Plan, phase: usize) -> i64 {
        match self {
            Self::Whole(whole) => whole.index.get(plan, &whole.items).earliest(phase),
            Self::Part(part) if phase < plan.phases().len() => {
                let skipped: Vec<usize> = part.touched.keys().copied().collect();
                let read = |(level, at)| part.base.knot(phase, level, at);
                let tree = Tree {
                    levels: part.base.levels(),
                    knot: &read,
                };
                let touched = part.touched.values();
                touched
                    .map(|item| index::leaf(plan, item, phase))
                    .chain([tree.least_but(&skipped)])
                    .min()
                    .unwrap_or(NEVER)
            }
            Self::Part(_) => NEVER,
        }
    }
}

impl Part {
    /// An item of the base; second whether it counts. Where it cannot be read it is something of the right shape, for what was
    /// found a moment ago is there for whoever asks; and nothing of what is said with it counts.
    fn of_base(&self, index: usize) -> (Item, bool) {
        if let Some(item) = self.base.item(index) {
            return (item, true);
        }
        let name = ItemId::new("?").expect("it is not empty");
        (Item::new(name, self.phases), false)
    }

    /// The first item of the base at or behind `from` that is due in that tree and was not touched.
    fn first_due(&self, tree: usize, from: usize, now: i64) -> Option<usize> {
        let read = |(level, at)| self.base.knot(tree, level, at);
        let tree = Tree {
            levels: self.base.levels(),
            knot: &read,
        };
        tree.first(from, now, &|index| self.touched.contains_key(&index))
    }
}

fn in_progress_of(item: &Item) -> Vec<usize> {
    let phases = item.phases.iter().enumerate();
    phases
        .filter(|(_, phase)| phase.status == Status::InProgress)
        .map(|(index, _)| index)
        .collect()
}

#[cfg(test)]
mod tests;
