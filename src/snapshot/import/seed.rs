//! The plain list: items with an address and phases, no id.
//!
//! ```json
//! {"work_items":[{"address":"…","phases":{"p":{"status":"…","started_at":"2026-11-22T18:40:15","completed_at":null}},
//!    "last_updated":"…"}],"summary":{…},"last_checkpoint":"…"}
//! ```

use super::shape::Shape;

/// Any list that is none of the others.
pub(super) const SHAPE: Shape = Shape {
    name: "seed",
    fits: |look| look.is_list(),
    keyed_by_id: false,
};
