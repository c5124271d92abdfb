//! W4: a list whose items have an `id`; phases are `{status, completed}`, and `completed` is absent where nothing is known.
//!
//! ```json
//! {"work_items":[{"id":"5887ee9b","address":"…","status":"in_progress","phases":{"p":{"status":"complete"}}}]}
//! ```

use super::shape::Shape;

/// A list with an `id` in an item.
pub(super) const SHAPE: Shape = Shape {
    name: "W4",
    fits: |look| look.is_list() && look.any_item("id"),
    keyed_by_id: false,
};
