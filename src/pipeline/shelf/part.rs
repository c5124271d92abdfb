//! The items that were touched, over a base that has the rest.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use crate::pipeline::base::Base;
use crate::pipeline::index;
use crate::pipeline::item::Item;
use crate::pipeline::names::ItemId;
use crate::pipeline::op_ids::OpIds;
use crate::pipeline::plan::Plan;
use crate::pipeline::wide::{NEVER, NOW, Tree};

/// The items that were touched, over a base.
#[derive(Clone)]
pub(in crate::pipeline) struct Part {
    base: Arc<dyn Base>,
    pub(super) touched: BTreeMap<usize, Item>,
    by_name: HashMap<ItemId, usize>,
    /// How many items there are, those behind the base's included.
    count: usize,
    /// How many phases each of the base's items has.
    phases: usize,
    /// The base's operation ids, once somebody asked.
    operations: OnceLock<OpIds>,
    pub(super) sound: bool,
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

impl Part {
    /// The items that a base has, each of so many phases.
    pub(super) fn over(base: Arc<dyn Base>, phases: usize) -> Self {
        Self {
            count: base.count(),
            phases,
            base,
            touched: BTreeMap::new(),
            by_name: HashMap::new(),
            operations: OnceLock::new(),
            sound: true,
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.sound && self.base.is_sound()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn operations(&self) -> &OpIds {
        self.operations.get_or_init(|| self.base.operations())
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let touched = self.by_name.get(name).copied();
        touched.or_else(|| self.base.find(name))
    }

    /// The indexes of all items with that id, in order.
    pub(super) fn find_id(&self, id: &str) -> Vec<usize> {
        let untouched = |index: &usize| !self.touched.contains_key(index);
        let mut found = self.base.find_id(id);
        found.retain(untouched);
        let has = |item: &Item| item.id().eq_ignore_ascii_case(id);
        let touched = self.touched.iter().filter(|(_, item)| has(item));
        found.extend(touched.map(|(&index, _)| index));
        found.sort_unstable();
        found
    }

    pub(super) fn item(&self, index: usize) -> Option<Cow<'_, Item>> {
        match self.touched.get(&index) {
            Some(item) => Some(Cow::Borrowed(item)),
            None if index < self.base.count() => Some(Cow::Owned(self.of_base(index).0)),
            None => None,
        }
    }

    /// Adds an item whose name is not there yet; gives its index.
    pub(super) fn add(&mut self, item: Item) -> usize {
        let index = self.count;
        self.count += 1;
        self.by_name.insert(item.name.clone(), index);
        self.touched.insert(index, item);
        index
    }

    /// The item at an index, which has that name, to be changed.
    pub(super) fn at_mut(&mut self, index: usize, name: &ItemId) -> &mut Item {
        if !self.touched.contains_key(&index) {
            let (item, sound) = self.of_base(index);
            self.sound &= sound;
            self.touched.insert(index, item);
            self.by_name.insert(name.clone(), index);
        }
        let touched = self.touched.get_mut(&index);
        touched.expect("it was touched before, or just now")
    }

    /// Loads an item, so that a record about it can be taken in without asking the base.
    pub(super) fn touch(&mut self, name: &ItemId) {
        if !self.by_name.contains_key(name)
            && let Some(index) = self.base.find(name.as_str())
        {
            self.at_mut(index, name);
        }
    }

    /// The items with a phase in progress, in order.
    pub(super) fn running(&self, plan: &Plan) -> Vec<usize> {
        let tree = plan.phases().len();
        let mut items = Vec::new();
        let mut next = self.first_due(tree, 0, NOW);
        while let Some(index) = next {
            items.push(index);
            next = self.first_due(tree, index + 1, NOW);
        }
        let touched = self.touched.iter();
        items.extend(
            touched
                .filter(|(_, item)| index::running(item) == NOW)
                .map(|(&index, _)| index),
        );
        items.sort_unstable();
        items
    }

    /// The first item at or behind `begin` of which that phase can be started at `now`.
    pub(super) fn first_ready(
        &self,
        plan: &Plan,
        phase: usize,
        begin: usize,
        now: i64,
    ) -> Option<usize> {
        let below = self.first_due(phase, begin, now);
        let due = |item: &Item| {
            let due = index::leaf(plan, item, phase);
            due <= now && due != NEVER
        };
        let mut touched = self.touched.range(begin..);
        let above = touched.find(|(_, item)| due(item)).map(|(&index, _)| index);
        below.into_iter().chain(above).min()
    }

    /// From when on the first of a phase can be started.
    pub(super) fn earliest(&self, plan: &Plan, phase: usize) -> i64 {
        let skipped: Vec<usize> = self.touched.keys().copied().collect();
        let read = |(level, at)| self.base.knot(phase, level, at);
        let tree = Tree {
            levels: self.base.levels(),
            knot: &read,
        };
        let touched = self.touched.values();
        touched
            .map(|item| index::leaf(plan, item, phase))
            .chain([tree.least_but(&skipped)])
            .min()
            .unwrap_or(NEVER)
    }

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
