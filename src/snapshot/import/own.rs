//! Our own snapshot, read as a plain file: its plan counts, its log does not.

use super::shape::Shape;

/// A document with the place in the log that it was written at.
pub(super) const SHAPE: Shape = Shape {
    name: "snapshot",
    fits: |look| {
        let log = look.root.get("log");
        log.is_some_and(|log| log.get("id").is_some() && log.get("seq").is_some())
    },
    keyed_by_id: false,
};
