//! W5: an object whose keys are the addresses; phases are words.
//!
//! ```json
//! {"properties":{"123 Main St":{"status":"complete","current_phase":4,"phase_status":{"p":"complete","q":"failed"},
//!    "tier":null,"retry_count":0,"error_message":"Traceback …","updated_at":"…"}},"updated_at":"…"}
//! ```
//!
//! The error belongs to the item and says not which phase it comes from, so it stays a field of the item.

use super::shape::Shape;

/// An object with `phase_status` in an item.
pub(super) const SHAPE: Shape = Shape {
    name: "W5",
    fits: |look| !look.is_list() && look.any_item("phase_status"),
    keyed_by_id: false,
};
