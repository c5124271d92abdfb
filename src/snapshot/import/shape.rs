//! What a shape is: how a document of it is told, and how its items are called.

use super::tree::{Field, Node, Value};

/// The fields of a document that may hold its items.
pub(super) const CONTAINERS: [&str; 2] = ["work_items", "properties"];

/// One of the shapes in which the state of a pipeline has been found.
///
/// They share nearly everything, so there is one reader of items and phases that takes what it finds; a shape says how
/// to tell it, and where its items differ in what they are called.
pub(super) struct Shape {
    /// Its name in the record and in reports.
    pub(super) name: &'static str,
    /// True if a document has it. The shapes are asked in a certain order.
    pub(super) fits: fn(&Look<'_, '_>) -> bool,
    /// The items stand in an object whose keys are their ids.
    pub(super) keyed_by_id: bool,
}

/// Fields of items by which shapes are told.
const OF_ITEMS: [&str; 4] = ["hash", "id", "phase_status", "updated_at"];

/// Fields of phases by which shapes are told.
const OF_PHASES: [&str; 4] = ["started_at", "completed_at", "failed_at", "data_fields"];

/// Which fields by which shapes are told stand in any item of a document.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    items: [bool; OF_ITEMS.len()],
    phases: [bool; OF_PHASES.len()],
}

impl Marks {
    /// Notes those of an item.
    pub(super) fn note(&mut self, item: &Node<'_>) {
        for (mark, key) in self.items.iter_mut().zip(OF_ITEMS) {
            *mark |= item.get(key).is_some();
        }
        let phases = item.get("phases").and_then(Node::fields);
        let phases: &[Field<'_>] = phases.unwrap_or_default();
        for (mark, key) in self.phases.iter_mut().zip(OF_PHASES) {
            *mark = *mark || phases.iter().any(|phase| phase.node.get(key).is_some());
        }
    }
}

/// A document, as far as its shape goes.
pub(super) struct Look<'n, 'a> {
    pub(super) root: &'n Node<'a>,
    pub(super) items: &'n Node<'a>,
    pub(super) marks: Marks,
}

impl Look<'_, '_> {
    pub(super) fn is_list(&self) -> bool {
        matches!(self.items.value, Value::List(_))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.root.get(key).is_some()
    }

    /// True if an item has the field, which is one of those that are looked for.
    pub(super) fn any_item(&self, key: &str) -> bool {
        let at = OF_ITEMS.iter().position(|it| *it == key);
        self.marks.items[at.expect("it is looked for")]
    }

    /// True if a phase of an item has the field, which is one of those that are looked for.
    pub(super) fn any_phase(&self, key: &str) -> bool {
        let at = OF_PHASES.iter().position(|it| *it == key);
        self.marks.phases[at.expect("it is looked for")]
    }
}
