//! The three doors: the disk, the clock, and other processes.
//!
//! The only code that names `std::fs`, the system time or another process. Behind each door stands a trait, so
//! that a simulated disk with several actors and a fixed clock can stand in for the real ones.

pub mod disk;
pub mod clock;
pub mod process;
pub mod crew;
mod output;

use std::sync::Arc;

use crate::pipeline::Timestamp;
use crate::pipeline::event::Owner;

pub use clock::{Clock, SystemClock};
pub use crew::{Crew, Ending, Happening, Member, Program, Signal, Stream};
pub use disk::{
    Disk, EntryKind, File, FileId, FromStart, LockKind, Metadata, RealDisk, Surroundings,
};
pub use output::output_is_closed;
pub use process::{Child, Process, RealProcess, Seen};

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

    /// The process with that id, so named that it can be told from every other that ever had the id; `None` if there is
    /// none, or the system cannot tell.
    pub fn owner(&self, pid: u32) -> Option<Owner> {
        let Seen::Running { start } = self.process.look_at(pid) else {
            return None;
        };
        Some(Owner {
            host: self.process.host(),
            boot: self.clock.now().boot?.boot,
            pidns: self.process.pid_namespace()?,
            pid,
            start,
        })
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
