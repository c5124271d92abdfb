//! The three doors: the disk, the clock, and other processes.
//!
//! The only code that names `std::fs`, the system time or another process. Behind each door stands a trait, so
//! that a simulated disk with several actors and a fixed clock can stand in for the real ones.

pub mod disk;
pub mod clock;
pub mod process;

use std::sync::Arc;

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

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}
