//! The door to time.

use crate::pipeline::Now;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The wall clock and, where there is one, the boot clock, at this moment.
    fn now(&self) -> Now;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;
