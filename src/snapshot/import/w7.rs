//! W7: a document with `$schema` or `blocked_sources`; phases name their commit and fields, items their verdict.
//!
//! ```json
//! {"$schema":"…","blocked_sources":{…},"work_items":[{"id":"…","address":"…","locked_by":null,"locked_at":null,
//!    "tier":null,"total_score":null,"kill_switch":{},"phases":{"p":{"status":"complete","started":"…",
//!    "completed":"…","commit_sha":null,"data_fields":[],"error":null}},"error_log":[{"timestamp":"…","phase":"p","error":"…"}]}]}
//! ```

use super::shape::Shape;

/// A list in such a document.
pub(super) const SHAPE: Shape = Shape {
    name: "W7",
    fits: |look| {
        let marks = ["$schema", "blocked_sources"];
        let marked = marks.iter().any(|key| look.has(key)) || look.any_phase("data_fields");
        look.is_list() && marked
    },
    keyed_by_id: false,
};
