//! W6: a list whose items have an `id`; phases have start, end, failure and retries.
//!
//! ```json
//! {"work_items":[{"id":"…","address":"…","index":0,"status":"failed","phases":{"p":{"status":"failed",
//!    "started_at":"…+00:00","failed_at":"…+00:00","error":"…","error_category":"…","retry_count":1}},
//!    "created_at":"…","updated_at":"…"}],"summary":{"total":1,…,"completion_percentage":0.0}}
//! ```

use super::shape::Shape;

/// A list with an `id` in an item, and a phase's start or `updated_at` in another place.
pub(super) const SHAPE: Shape = Shape {
    name: "W6",
    fits: |look| {
        let times = ["started_at", "completed_at", "failed_at"];
        let timed = look.any_item("updated_at") || times.iter().any(|key| look.any_phase(key));
        look.is_list() && look.any_item("id") && timed
    },
    keyed_by_id: false,
};
