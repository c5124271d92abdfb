//! A writer that lives to be killed: it works through a store in every way there is, and says what it was told.

use std::ops::ControlFlow;
use std::path::Path;

use crate::error::{Error, Result};
use crate::log::files;
use crate::pipeline::{
    Command, ItemId, NewItem, Phase, PhasePlan, Plan, Report, ReportKind, Status, ready,
};
use crate::ports::Ports;
use crate::position::{SegmentId, Seq};
use crate::store::{Options, Store, View};
use crate::testing::oracles::Claim;
use crate::testing::rng::Rng;

/// The phases of its stores; the second needs the first.
const PHASES: [&str; 2] = ["county", "listing"];

/// The longest tail of a made-up item, in bytes: a few of them are more than the kernel writes at once.
const LONG: usize = 2_500;

/// What a writer is told to do.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// What its choices follow from.
    pub seed: u64,
    /// After so many steps it ends.
    pub steps: usize,
    /// It may write no file beyond the length of the log's last segment and so many bytes: then it dies, in a write.
    pub room: Option<u64>,
}

/// Makes the store that writers work in.
///
/// # Errors
/// As [`Store::init`].
pub fn init(ports: &Ports, dir: &Path, options: &Options, items: usize) -> Result<Vec<Claim>> {
    let phases = PHASES.map(|name| Phase::new(name).expect("a name"));
    let [first, second] = phases.clone().map(PhasePlan::named);
    let second = PhasePlan {
        needs: vec![phases[0].clone()],
        ..second
    };
    let plan = Plan::new(vec![first, second]).expect("two phases in a row");
    let items: Vec<NewItem> = (1..=items)
        .map(|n| new_item(&format!("{n} N Example St")))
        .collect();
    let created = Store::init(ports, dir, options, &plan, &items)?;
    Ok(vec![Claim::Shown {
        seq: created.last.get(),
    }])
}

/// Tells somebody of an answer; breaks when nobody listens any more.
pub type Say<'s> = dyn FnMut(&Claim) -> ControlFlow<()> + 's;

/// Works, and says each answer the moment it has it. Ends when nobody listens: whoever should have killed it is dead.
///
/// # Errors
/// What the disk says; by then everything that was answered was said.
pub fn work(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    orders: Orders,
    say: &mut Say<'_>,
) -> Result<()> {
    if let Some(room) = orders.room {
        limit(ports, dir, room)?;
    }
    let store = Store::open(ports.clone(), dir, options.clone());
    let mut writer = Writer {
        ports,
        dir,
        options,
        rng: Rng::new(orders.seed),
        store: accused(store, say)?,
        name: format!("w{:x}", orders.seed & 0xffff_ffff),
        made: 0,
        say,
        alone: false,
    };
    for _ in 0..orders.steps {
        writer.step()?;
        if writer.alone {
            break;
        }
    }
    Ok(())
}

/// Says the error if it accuses the store: nobody hurt it.
fn accused<T>(result: Result<T>, say: &mut Say<'_>) -> Result<T> {
    result.inspect_err(|error| {
        if let Some(alarm) = Claim::alarm(error) {
            let _ = say(&alarm);
        }
    })
}

fn limit(ports: &Ports, dir: &Path, room: u64) -> Result<()> {
    let wal = dir.join("wal");
    let names = ports.disk.list(&wal).map_err(Error::io("list", &wal))?;
    let last = names
        .iter()
        .rfind(|name| SegmentId::from_file_name(name).is_some());
    let path = wal.join(last.map_or(files::LOCK, String::as_str));
    let found = ports.disk.metadata(&path);
    let len = found.map_err(Error::io("look at", &path))?.len;
    let limited = ports.process.limit_file_size(len + room);
    limited.map_err(Error::io("limit", path))
}

fn new_item(name: &str) -> NewItem {
    NewItem {
        name: ItemId::new(name).expect("a text that is not empty"),
        id: None,
    }
}

struct Writer<'w> {
    ports: &'w Ports,
    dir: &'w Path,
    options: &'w Options,
    rng: Rng,
    store: Store,
    name: String,
    /// Items that it has made up.
    made: usize,
    say: &'w mut Say<'w>,
    /// Nobody listens any more.
    alone: bool,
}

impl Writer<'_> {
    fn say(&mut self, claim: &Claim) {
        self.alone |= (self.say)(claim).is_break();
    }

    fn step(&mut self) -> Result<()> {
        match self.rng.below(100) {
            0..45 => self.job(),
            45..60 => self.group(),
            60..75 => self.again(),
            75..85 => self.look(),
            85..93 => self.compact(),
            _ => self.resume(),
        }
    }

    /// Submits a command and says what was answered; the token, if it was recorded.
    fn submit(&mut self, command: &Command) -> Result<Option<Seq>> {
        let answer = self.store.submit(command);
        let seen = self.store.state().last_seq.get();
        for claim in Claim::of_answer(&answer, seen).unwrap_or_default() {
            self.say(&claim);
        }
        match answer {
            Ok(receipt) => Ok(receipt.seq()),
            Err(Error::Rejected(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes what is ready and reports on it; sometimes not.
    fn job(&mut self) -> Result<()> {
        let now = self.ports.clock.now();
        let skip = self.rng.below(6);
        let state = self.store.state();
        let Some(place) = ready::ready(state, &now).nth(skip) else {
            return self.group();
        };
        let item = state.item_at(place.item).name.clone();
        let phase = state.plan.phases()[place.phase].phase.clone();
        let start = Command::Start {
            item: item.clone(),
            phase: phase.clone(),
            worker: Some(self.name.clone()),
            owner: None,
        };
        let Some(token) = self.submit(&start)? else {
            return Ok(());
        };
        let kind = match self.rng.below(10) {
            0 => return Ok(()),
            1 => ReportKind::Fail {
                error: "429 Too Many Requests".to_owned(),
                permanent: false,
            },
            2 => ReportKind::Release,
            _ => ReportKind::Complete,
        };
        let token = Some(token);
        self.submit(&Command::Report(Report::new(item, phase, token, kind)))
            .map(drop)
    }

    /// Adds several items in one write, most of them longer than a page together.
    fn group(&mut self) -> Result<()> {
        let count = 2 + self.rng.below(5);
        let items = (0..count).map(|_| {
            self.made += 1;
            let (number, name) = (self.made, &self.name);
            let long = self.rng.below(LONG);
            new_item(&format!("{number} E Madeup Way ({name}) {:x>long$}", ""))
        });
        let items = items.collect();
        self.submit(&Command::Add { items }).map(drop)
    }

    /// Reports once more on something that is done: there is nothing to record, and still it is an answer.
    fn again(&mut self) -> Result<()> {
        let state = self.store.state();
        let items = state.items();
        let from = self.rng.below(items.len());
        let mut from_there = items.clone().skip(from).chain(items.take(from));
        let done = from_there.find(|item| {
            let phases = item.phases.iter();
            phases.take(1).any(|it| it.status == Status::Completed)
        });
        let done = done.map(|item| item.name.clone());
        drop(from_there);
        let Some(item) = done else {
            return self.look();
        };
        let phase = Phase::new(PHASES[0]).expect("a name");
        self.submit(&Command::Report(Report::new(
            item,
            phase,
            None,
            ReportKind::Complete,
        )))
        .map(drop)
    }

    fn look(&mut self) -> Result<()> {
        let view = accused(View::open(self.ports, self.dir, self.options), self.say)?;
        if view.complete() {
            self.say(&Claim::Shown {
                seq: view.last_seq().get(),
            });
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        let compacted = accused(self.store.compact(false), self.say)?;
        self.say(&Claim::compacted(&compacted));
        Ok(())
    }

    fn resume(&mut self) -> Result<()> {
        let resumed = accused(self.store.resume(None), self.say)?;
        for record in &resumed.resets {
            self.say(&Claim::recorded(record));
        }
        let seq = self.store.state().last_seq.get();
        self.say(&Claim::Shown { seq });
        Ok(())
    }
}
