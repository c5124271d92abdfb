//! W3: an object whose keys are the ids; phases carry what was collected, and prose.
//!
//! ```json
//! {"session":{…},"properties":{"5887ee9b":{"id":"5887ee9b","address":"…","status":"pending","phases":{
//!    "p":{"status":"completed","completed":"2025-12-02T21:11:14-05:00","data_extracted":{…},"notes":"…"}},
//!    "created_at":"…","last_updated":"…Z"}},"summary":{…}}
//! ```

use super::shape::Shape;

/// Any object that is not W5.
pub(super) const SHAPE: Shape = Shape {
    name: "W3",
    fits: |look| !look.is_list(),
    keyed_by_id: true,
};
