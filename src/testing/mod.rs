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
//! clock      fixed time, processes that are not there          crew       programs that are not there
//! ```
//!
//! The same code serves `phaselog crash-test`, so it is part of the library (feature `testing`, on by default). A
//! pipeline of your own is tested like this: say what each of your programs does, claim what it was answered, and ask
//! the [`oracles`] after every crash.
//!
//! ```
//! use std::path::Path;
//!
//! use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan};
//! use phaselog::testing::oracles::{self, Claim};
//! use phaselog::testing::{Claims, Explorer, Kills, SimDisk};
//! use phaselog::{Options, Ports, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (dir, options) = (Path::new("data"), Options::default());
//! let (house, county) = (ItemId::new("100 N Example St")?, Phase::new("county")?);
//!
//! // The store as it is before: everything on it is durable.
//! let disk = SimDisk::new();
//! let plan = Plan::new(vec![PhasePlan::named(county.clone())])?;
//! let items = [NewItem { name: house.clone(), id: None }];
//! let _ = Store::init(&disk.ports_for("setup"), dir, &options, &plan, &items)?;
//! disk.settle();
//!
//! // What a program of yours does. It ends when its disk fails, and claims nothing that it was not told.
//! let begin = |ports: Ports, claims: &Claims<Claim>| {
//!     let Ok(mut store) = Store::open(ports, dir, options.clone()) else { return };
//!     let start = Command::Start {
//!         item: house.clone(),
//!         phase: county.clone(),
//!         worker: None,
//!         owner: None,
//!     };
//!     let answer = store.submit(&start);
//!     let promised = Claim::of_answer(&answer, store.state().last_seq.get());
//!     promised.into_iter().flatten().for_each(|claim| claims.push(claim));
//! };
//!
//! // One is killed at each of its calls and within each write, the next goes on, and then the power goes.
//! let found = Explorer::new(&disk)
//!     .stage("first", Kills::WithinWrites(50), begin)
//!     .stage("second", Kills::AtEveryCall, begin)
//!     .outcomes(16)
//!     .run(|after, claims| oracles::after_power_cut(after, dir, &options, claims));
//! found.assert_clean();
//! assert!(found.distinct > 10, "{found}");
//! # Ok(())
//! # }
//! ```

pub mod clock;
pub mod crew;
pub mod rng;
pub mod sim_disk;
pub mod schedule;
pub mod explore;
pub mod proxy;
pub mod oracles;
pub mod crash_test;
pub mod fuzz;

pub use clock::{FakeProcess, FixedClock};
pub use crew::{Act, FakeCrew, Part};
pub use explore::{Claims, Explored, Explorer, Kills, Replay, Seen, Violation};
pub use proxy::{Hook, Order, PortCall, Proxy, Recorder};
pub use rng::Rng;
pub use schedule::{Actors, Choice, Listed, Run, Schedule, Seeded, each_schedule, interleave};
pub use sim_disk::{
    Call, CallKind, Errno, Failure, Fault, Kill, Outcome, Pending, SimActor, SimDisk, Survivors,
    Torn,
};
