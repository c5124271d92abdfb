//! What a state takes in memory, an item of six completed phases: as the fold leaves it, as it stands when a store was opened
//! from its cache or recovered from the snapshot, and at the peak of that and of compacting. Each is a process of its own, and its own account of itself
//! (`/proc/self/status`). Then, with data beside it, what the program's commands hold at most (`with_data`).
//!
//! ```text
//! cargo bench --bench memory -- --items 100000
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program outside of the doors: it ends at the first thing that goes wrong"
)]

mod with_data;

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::Parser;
use phaselog::pipeline::{
    Command, Event, ItemId, NewItem, Phase, PhasePlan, PipelineState, Plan, Record, Report,
    ReportKind, Timestamp,
};
use phaselog::position::Seq;
use phaselog::store::CacheMode;
use phaselog::{Options, Ports, SharedStore, Store, View};

const PHASES: usize = 6;

/// How many submit at the same time where a store is made.
const THREADS: usize = 64;

/// Time between two records.
const SECONDS_A_RECORD: i64 = 37;

#[derive(Debug, Parser)]
struct Args {
    /// Items of the state
    #[arg(long, default_value_t = 20_000)]
    items: usize,
    /// Bytes of data of each item in the second table; 0 for none of it
    #[arg(long, default_value_t = 3_000)]
    data: usize,
    /// Does one of the measured things: fold, open, recover, compact
    #[arg(long, num_args = 2, value_names = ["WHAT", "STORE"])]
    one: Option<Vec<String>>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    if let Some([what, store]) = args.one.as_deref() {
        return one(what, &PathBuf::from(store), args.items);
    }
    let scratch = tempfile::tempdir().unwrap();
    let store = scratch.path().join("store");
    make(&store, args.items);
    println!("bytes an item of {PHASES} phases, {} items:", args.items);
    for what in ["fold", "open", "recover", "compact"] {
        let mut command = Process::new(std::env::current_exe().unwrap());
        let items = args.items.to_string();
        command.args(["--items", &items, "--one", what]).arg(&store);
        assert!(command.status().unwrap().success(), "{what}");
    }
    if args.data > 0 {
        with_data::measure(scratch.path(), args.items, args.data);
    }
}

fn plan() -> Plan {
    let phase = |index| PhasePlan::named(Phase::new(&format!("phase{index}")).unwrap());
    Plan::new((0..PHASES).map(phase).collect()).unwrap()
}

fn name(index: usize) -> ItemId {
    ItemId::new(&format!("{index} N Example St, Phoenix, AZ 85001")).unwrap()
}

/// A store whose items are all done, phase by phase, and a snapshot of it.
fn make(dir: &Path, items: usize) {
    let new = |index| NewItem {
        name: name(index),
        id: None,
    };
    let new: Vec<NewItem> = (0..items).map(new).collect();
    let ports = Ports::real();
    let _ = Store::init(&ports, dir, &Options::default(), &plan(), &new).unwrap();
    let store = Store::open(ports, dir, Options::default()).unwrap();
    let shared = SharedStore::new(store);
    let submit = &|command: Command| shared.submit(&command).unwrap();
    for phase in plan().phases() {
        // What many threads submit shares a sync.
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || {
                    for index in (thread..items).step_by(THREADS) {
                        let (item, phase) = (name(index), phase.phase.clone());
                        let _ = submit(Command::Start {
                            item: item.clone(),
                            phase: phase.clone(),
                            worker: Some("w1".into()),
                            owner: None,
                        });
                        let report = Report::new(item, phase, None, ReportKind::Complete);
                        let _ = submit(Command::Report(report));
                    }
                });
            }
        });
    }
    drop(shared);
    let mut store = Store::open(Ports::real(), dir, Options::default()).unwrap();
    let _ = store.compact(false).unwrap();
}

fn one(what: &str, store: &Path, items: usize) {
    let before = status("VmRSS");
    let (ports, options) = (Ports::real(), Options::default());
    // What is measured stays until the figures are out.
    let (kept, names): (Box<dyn std::any::Any>, usize) = match what {
        "fold" => {
            let state = folded(items);
            let names = state.items().map(|item| item.name.as_str().len());
            let names = names.sum();
            (Box::new(state), names)
        }
        "open" => (Box::new(View::open(&ports, store, &options).unwrap()), 0),
        "recover" => {
            let options = Options {
                cache: CacheMode::Never,
                ..options
            };
            (Box::new(View::open(&ports, store, &options).unwrap()), 0)
        }
        _ => {
            let mut store = Store::open(ports, store, options).unwrap();
            let more = NewItem {
                name: ItemId::new("one more").unwrap(),
                id: None,
            };
            let items = vec![more];
            let _ = store.submit(&Command::Add { items }).unwrap();
            let _ = store.compact(false).unwrap();
            (Box::new(store), 0)
        }
    };
    let each = |bytes: u64| (bytes as f64 - before as f64) / items as f64;
    let (now, peak) = (each(status("VmRSS")), each(status("VmHWM")));
    let key = names as f64 / items as f64;
    println!(
        "{what:>8}  {now:>7.0} bytes after   {peak:>7.0} at the peak   ({key:.0} of them its name)"
    );
    drop(kept);
}

fn folded(items: usize) -> PipelineState {
    let mut state = PipelineState::default();
    let mut seq = Seq::NONE;
    let mut apply = |event| {
        seq = seq.next();
        let passed = SECONDS_A_RECORD * 1_000_000 * i64::try_from(seq.get()).unwrap();
        let at = Timestamp::from_micros(1_795_000_000_000_000 + passed);
        state.apply(&Record {
            seq,
            at: at.unwrap(),
            clock_given: false,
            event,
        });
        seq
    };
    let phases = plan().phases().to_vec();
    apply(Event::Planned {
        phases: phases.clone(),
    });
    for index in 0..items {
        let (id, imported) = (None, None);
        apply(Event::Added {
            item: name(index),
            id,
            imported,
        });
    }
    // Phase by phase, as a batch goes: from one record of an item to its next it is far.
    for phase in &phases {
        for index in 0..items {
            let (item, phase) = (name(index), phase.phase.clone());
            let token = apply(Event::Started {
                item: item.clone(),
                phase: phase.clone(),
                worker: Some("w1".into()),
                boot: None,
                owner: None,
            });
            apply(Event::Completed {
                item,
                phase,
                token: Some(token),
                late: false,
                op: None,
                data: None,
                extraction: None,
            });
        }
    }
    state
}

/// A figure of this process, in bytes.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    let kilobytes = line.split_ascii_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}
