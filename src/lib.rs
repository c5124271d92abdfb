//! The crash-safe state of batch pipelines.

pub mod position;
pub mod pipeline;
pub mod error;
pub mod ports;
pub mod log;
pub mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Damage, Error, Result};
