//! The crash-safe state of batch pipelines: many items, several phases each, one write-ahead log.
//!
//! ```text
//!   main -> cli -> store -+-> log ------+-+-> ports -+-> pipeline -> position
//!                         +-> snapshot -+ +-> error -+
//! ```
//!
//! Each phase transition is one checksummed line of text in a log; `work_items.json` is a snapshot of it. What a
//! [`Store`] answers is durable: it survives `kill -9`, an OS crash and a power cut. What was acknowledged and cannot
//! be read again stops the reader, with file, byte, record and items; it is never passed over.
//!
//! ```
//! use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan, Report, ReportKind};
//! use phaselog::{Options, Ports, Receipt, Store, View};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let dir = scratch.path().join("data");
//! let (ports, options) = (Ports::real(), Options::default());
//! let (item, phase) = (ItemId::new("100 N Example St")?, Phase::new("phase1_listing")?);
//!
//! let plan = Plan::new(vec![PhasePlan::named(phase.clone())])?;
//! let items = [NewItem { name: item.clone(), id: None }];
//! let _ = Store::init(&ports, &dir, &options, &plan, &items)?;
//!
//! let mut store = Store::open(ports.clone(), &dir, options.clone())?;
//! let start = Command::Start { item: item.clone(), phase: phase.clone(), worker: None, owner: None };
//! // The seq of the start is the right to report on it.
//! let token = store.submit(&start)?.seq();
//!
//! let done = Report::new(item, phase, token, ReportKind::Complete);
//! let receipt = store.submit(&Command::Report(done.clone()))?;
//! assert!(matches!(receipt, Receipt::Recorded(_)));
//! // The same report twice is one.
//! let again = store.submit(&Command::Report(done))?;
//! assert!(matches!(again, Receipt::Unchanged(_)));
//!
//! let view = View::open(&ports, &dir, &options)?;
//! assert_eq!(view.state().item_at(0).status().as_str(), "completed");
//! # Ok(())
//! # }
//! ```
//!
//! Threads share a store as a [`SharedStore`]: what they submit at the same time shares a write and a sync, each command is
//! still decided and answered by itself, and no answer comes before its sync.
//!
//! The modules, in reading order; each uses only those above it.

#[doc(hidden)]
pub mod faults;
pub mod position;
pub mod pipeline;
pub mod error;
pub mod ports;
pub mod log;
pub mod snapshot;
pub mod store;
pub mod worker;
#[cfg(feature = "testing")]
pub mod testing;
pub mod cli;

pub use error::{Damage, Error, Result};
pub use pipeline::PipelineState;
pub use ports::Ports;
pub use store::{Compacted, Options, Receipt, Resumed, SharedStore, Store, View};
