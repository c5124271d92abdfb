//! What crash tests are made of: a disk that loses what was not synced, a clock that stands still, processes that
//! die at any call, and explorers that try every such death.
//!
//! ```text
//! explore    a workload, killed at every call, then every power cut, then a check
//!   |   oracles    what must hold afterwards, each a function; proxy: a hook before any disk
//!   |
//! schedule   several actors, interleaved at every call of the disk
//!   |
//! sim_disk   cache and disk apart; names, sizes, sectors survive each on its own; locks; faults
//!   |
//! clock      fixed time, processes that are not there
//! ```
//!
//! The same code serves `phaselog crash-test`, so it is part of the library (feature `testing`, on by default).

pub mod clock;
pub mod rng;
pub mod sim_disk;
pub mod schedule;
pub mod explore;
pub mod proxy;
pub mod oracles;

pub use clock::{FakeProcess, FixedClock};
pub use explore::{Claims, Explored, Explorer, Kills, Replay, Violation};
pub use proxy::{Hook, Order, PortCall, Proxy, Recorder};
pub use rng::Rng;
pub use schedule::{Actors, Choice, Listed, Run, Schedule, Seeded, each_schedule, interleave};
pub use sim_disk::{
    Call, CallKind, Errno, Failure, Fault, Kill, Pending, SimActor, SimDisk, Survivors, Torn,
};
