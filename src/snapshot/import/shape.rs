//! Which of the known shapes a document has.

use super::tree::{Node, Value};
use super::{own, seed, w1, w2, w3, w4, w5, w6, w7};

/// The fields of a document that may hold its items.
pub(super) const CONTAINERS: [&str; 2] = ["work_items", "properties"];

/// One of the shapes in which the state of a pipeline has been found.
///
/// They share nearly everything, so there is one reader of items and phases that takes what it finds; a shape says how
/// to tell it, and where its items differ in what they are called.
pub(super) struct Shape {
    /// Its name in the record and in reports.
    pub(super) name: &'static str,
    /// True if a document has it. The shapes are asked in the order of [`ALL`].
    pub(super) fits: fn(&Look<'_, '_>) -> bool,
    /// The items stand in an object whose keys are their ids.
    pub(super) keyed_by_id: bool,
}

/// The narrower shapes first, the ones that take what is left last.
const ALL: [&Shape; 9] = [
    &own::SHAPE,
    &w2::SHAPE,
    &w5::SHAPE,
    &w3::SHAPE,
    &w7::SHAPE,
    &w1::SHAPE,
    &w6::SHAPE,
    &w4::SHAPE,
    &seed::SHAPE,
];

/// A document, as far as its shape goes.
pub(super) struct Look<'n, 'a> {
    pub(super) root: &'n Node<'a>,
    pub(super) items: &'n Node<'a>,
}

/// The shape of a document whose items stand in `items`. There is always one: the last takes any list, `W3` any object.
pub(super) fn of(look: &Look<'_, '_>) -> &'static Shape {
    let mut shapes = ALL.into_iter();
    shapes
        .find(|shape| (shape.fits)(look))
        .unwrap_or(&seed::SHAPE)
}

impl<'n, 'a> Look<'n, 'a> {
    pub(super) fn is_list(&self) -> bool {
        matches!(self.items.value, Value::List(_))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.root.get(key).is_some()
    }

    fn items(&self) -> impl Iterator<Item = &'n Node<'a>> {
        let list = self.items.list().unwrap_or_default().iter();
        let fields = self.items.fields().unwrap_or_default().iter();
        list.chain(fields.map(|field| &field.node))
    }

    /// True if an item has the field.
    pub(super) fn any_item(&self, key: &str) -> bool {
        self.items().any(|item| item.get(key).is_some())
    }

    /// True if a phase of an item has the field.
    pub(super) fn any_phase(&self, key: &str) -> bool {
        self.items().any(|item| {
            let phases = item
                .get("phases")
                .and_then(Node::fields)
                .unwrap_or_default();
            phases.iter().any(|phase| phase.node.get(key).is_some())
        })
    }
}
