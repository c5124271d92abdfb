//! The pure core: what a pipeline is, what may happen to it, and what did.

pub mod time;
pub mod json;
pub mod names;
pub mod plan;

pub use json::Json;
pub use names::{ItemId, Phase};
pub use plan::{PhasePlan, Plan};
pub use time::{BootInstant, Now, Timestamp};

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused")]
pub struct Rejection;
