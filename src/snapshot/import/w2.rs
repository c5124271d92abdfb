//! W2: idle and empty.
//!
//! ```json
//! {"session":{"started_at":null,"last_updated":null,"mode":"idle"},"properties":{},"summary":{"total_properties":0}}
//! ```

use super::shape::Shape;

/// A document without items.
pub(super) const SHAPE: Shape = Shape {
    name: "W2",
    fits: |look| look.items.is_blank(),
    keyed_by_id: false,
};
