//! The three doors: the disk, the clock, and other processes.
//!
//! The only code that names `std::fs`, the system time or another process. Behind each door stands a trait, so
//! that a simulated disk with several actors and a fixed clock can stand in for the real ones.

pub mod disk;
pub mod clock;
pub mod process;

use std::sync::Arc;

use crate::pipeline::Timestamp;

pub use clock::{Clock, SystemClock};
pub use disk::{Disk, EntryKind, File, FileId, LockKind, Metadata, RealDisk};
pub use process::{Child, Process, RealProcess};

/// Everything that a store may touch outside itself.
#[derive(Clone)]
pub struct Ports {
    /// Files and directories.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This process and others.
    pub process: Arc<dyn Process>,
}

impl Ports {
    /// The disk, the clocks and the processes of this machine.
    pub fn real() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock),
            process: Arc::new(RealProcess),
        }
    }

    /// The same ports with the wall time fixed at `at` and marked as given (`--now`); the boot clock goes on.
    #[must_use]
    pub fn with_given_time(self, at: Timestamp) -> Self {
        let clock = Arc::new(clock::GivenClock {
            at,
            inner: self.clock,
        });
        Self { clock, ..self }
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}
