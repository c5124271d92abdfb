//! W1: a list whose items have a `hash`; phases are `{status, completed}`.
//!
//! ```json
//! {"schema_version":"1.0.0","session":{…},"work_items":[{"index":0,"address":"…","hash":"6948a957","status":"pending",
//!    "locked_by":null,"locked_at":null,"phases":{"p":{"status":"complete","completed":"2025-12-02T17:42:45.855497"}},
//!    "retry_count":0,"last_updated":"…","commit_sha":null,"errors":[]}],"summary":{…}}
//! ```

use super::shape::Shape;

/// A list with a `hash` in an item.
pub(super) const SHAPE: Shape = Shape {
    name: "W1",
    fits: |look| look.is_list() && look.any_item("hash"),
    keyed_by_id: false,
};
