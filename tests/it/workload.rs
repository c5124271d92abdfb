//! What actors of crash tests do, step by step, and what they may claim afterwards.

use std::path::Path;
use std::time::Duration;

use phaselog::pipeline::enrichment::DataPatch;
use phaselog::pipeline::event::ImportedFile;
use phaselog::pipeline::extraction::ExtractionStatus;
use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan, Report, ReportKind};
use phaselog::position::Seq;
use phaselog::snapshot::import::{self, Zone};
use phaselog::snapshot::{enrichment, extraction, set};
use phaselog::store::beside::BesideTaken;
use phaselog::store::create::Imported;
use phaselog::store::given::{BesideOriginal, MergeOptions, Original};
use phaselog::store::{CacheMode, CompactMode};
use phaselog::testing::oracles::Claim;
use phaselog::testing::{Claims, SimDisk};
use phaselog::{Error, Options, Ports, Store, View};

/// Where the store is.
pub(crate) const DIR: &str = "data";

/// Segments of a few records, and nothing happens unasked. No cache is made: its blocks, which nobody syncs, would fill the
/// outcomes of a power cut; it has workloads of its own.
pub(crate) fn options() -> Options {
    Options {
        segment_bytes: 700,
        compact: CompactMode::Never,
        cache: CacheMode::Never,
        ..Options::default()
    }
}

pub(crate) fn item(name: &str) -> ItemId {
    ItemId::new(name).unwrap()
}

pub(crate) fn phase(name: &str) -> Phase {
    Phase::new(name).unwrap()
}

pub(crate) fn new_items(names: &[&str]) -> Vec<NewItem> {
    let item = |name: &&str| NewItem {
        name: item(name),
        id: None,
    };
    names.iter().map(item).collect()
}

/// The plan of all workloads: `p` and `q`.
pub(crate) fn plan() -> Plan {
    let phases = ["p", "q"].map(|name| PhasePlan::named(phase(name)));
    Plan::new(phases.to_vec()).unwrap()
}

/// A store with two items and two phases, everything in it durable.
pub(crate) fn base() -> SimDisk {
    let disk = SimDisk::new();
    let (ports, items) = (disk.ports_for("setup"), new_items(&["a", "b"]));
    let _ = Store::init(&ports, Path::new(DIR), &options(), &plan(), &items).unwrap();
    disk.settle();
    disk
}

pub(crate) fn start(name: &str, phase_name: &str) -> Command {
    Command::Start {
        item: item(name),
        phase: phase(phase_name),
        worker: None,
        owner: None,
    }
}

pub(crate) fn report(
    name: &str,
    phase_name: &str,
    token: Option<Seq>,
    kind: ReportKind,
) -> Command {
    Command::Report(Report::new(item(name), phase(phase_name), token, kind))
}

pub(crate) fn complete(name: &str) -> Step {
    Step::Do(report(name, "p", None, ReportKind::Complete))
}

/// A price, and where it is from.
pub(crate) fn price(price: u32) -> DataPatch {
    DataPatch {
        patch: serde_json::from_str(&format!("{{\"list_price\":{price}}}")).unwrap(),
        source: Some("a browser".to_owned()),
        confidence: None,
    }
}

pub(crate) fn add(names: &[&str]) -> Step {
    Step::Do(Command::Add {
        items: new_items(names),
    })
}

pub(crate) fn hold(name: &str) -> Step {
    Step::Do(Command::Hold {
        item: item(name),
        reason: Some("sold".to_owned()),
    })
}

/// What a workload does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Do(Command),
    /// Keeps the token for the next `Complete`.
    Start(&'static str, &'static str),
    Complete(&'static str, &'static str),
    Resume,
    /// Half an hour and a bit later: what is in progress has timed out.
    Late,
    Compact,
    Look,
    /// From here on each append is followed by a new segment.
    SmallSegments,
    /// Makes the store; nothing else can come before it.
    Init,
    /// Takes in the state files of a directory.
    Import(&'static str),
    /// The same; where the files and the log disagree, the files count.
    Prefer(&'static str),
}

/// Where other programs have state files.
pub(crate) const OLD: &str = "old";

/// Their files: progress, data and extractions, each with something that the store of [`base`] does not have.
pub(crate) const OLD_FILES: [(&str, &str); 3] = [
    (
        set::ROOT,
        r#"{"work_items":[{"address":"a","phases":{"p":{"status":"completed"}}},{"address":"c","phases":{"p":{"status":"completed"}}}]}"#,
    ),
    (
        enrichment::NAME,
        r#"[{"full_address":"b","beds":3},{"full_address":"c","beds":4}]"#,
    ),
    (
        extraction::NAME,
        r#"{"completed_properties":["b","c"],"failed_properties":[]}"#,
    ),
];

/// Puts these files into a directory, durably.
pub(crate) fn lay(disk: &SimDisk, dir: &str, files: &[(&str, &str)]) {
    for (name, text) in files {
        disk.plant(format!("{dir}/{name}"), text.as_bytes())
            .unwrap();
    }
}

/// Opens the store and does these things, claiming what was answered; ends at the first error of the disk.
pub(crate) fn work(ports: &Ports, claims: &Claims<Claim>, steps: &[Step]) {
    let mut worker = Worker {
        ports,
        claims,
        options: options(),
        store: None,
        token: None,
    };
    for step in steps {
        match worker.step(step) {
            Ok(()) => {}
            Err(error) => {
                if let Some(alarm) = Claim::alarm(&error) {
                    claims.push(alarm);
                }
                return;
            }
        }
    }
}

struct Worker<'w> {
    ports: &'w Ports,
    claims: &'w Claims<Claim>,
    options: Options,
    store: Option<Store>,
    token: Option<Seq>,
}

impl Worker<'_> {
    fn store(&mut self) -> Result<&mut Store, Error> {
        if self.store.is_none() {
            let (ports, options) = (self.ports.clone(), self.options.clone());
            self.store = Some(Store::open(ports, Path::new(DIR), options)?);
        }
        Ok(self.store.as_mut().unwrap())
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        let (ports, claims) = (self.ports, self.claims);
        match step {
            Step::Do(command) => self.submit(command).map(drop),
            Step::Start(name, phase_name) => {
                self.token = self.submit(&start(name, phase_name))?;
                Ok(())
            }
            Step::Complete(name, phase_name) => {
                // The phase, its data and its extraction are one record.
                let (name, phase) = (item(name), phase(phase_name));
                let done = Report::new(name, phase, self.token, ReportKind::Complete);
                let done = Report {
                    data: Some(price(650_000)),
                    extraction: Some(ExtractionStatus::Completed),
                    ..done
                };
                self.submit(&Command::Report(done)).map(drop)
            }
            Step::Resume => {
                let store = self.store()?;
                let resumed = store.resume(None)?;
                // What is said to be all that is left rests on everything that was read.
                let on = store.state().last_seq.get();
                claims.push(Claim::Rests { on });
                for record in &resumed.resets {
                    claims.push(Claim::recorded(record));
                }
                Ok(())
            }
            Step::Late => {
                ports.clock.sleep(Duration::from_mins(31));
                Ok(())
            }
            Step::Compact => {
                let compacted = self.store()?.compact(false)?;
                claims.push(Claim::compacted(&compacted));
                Ok(())
            }
            Step::Look => {
                let view = View::open(ports, Path::new(DIR), &self.options)?;
                let seq = view.last_seq().get();
                claims.push(Claim::Shown { seq });
                Ok(())
            }
            Step::Import(dir) => self.import(dir, false),
            Step::Prefer(dir) => self.import(dir, true),
            Step::SmallSegments => {
                self.options.segment_bytes = 1;
                Ok(())
            }
            Step::Init => {
                let items = new_items(&["a", "b"]);
                let made = Store::init(ports, Path::new(DIR), &self.options, &plan(), &items);
                // Made, or made by somebody else: nobody is accused.
                if let Ok(created) = made {
                    let seq = created.last.get();
                    claims.push(Claim::Shown { seq });
                }
                Ok(())
            }
        }
    }

    /// Takes in what lies in a directory, as far as it is there.
    fn import(&self, dir: &str, prefer_file: bool) -> Result<(), Error> {
        let (ports, store, options) = (self.ports, Path::new(DIR), &self.options);
        let reading = import::Options {
            zone: Zone::Utc,
            ..import::Options::new(ports.clock.now().at)
        };
        let how = MergeOptions {
            reading: &reading,
            prefer_file,
        };
        let read = |name: &str| {
            let path = Path::new(dir).join(name);
            let bytes = ports.disk.read(&path, set::MAX_FILE_BYTES).ok()?;
            Some((path, bytes))
        };
        let mut beside = Vec::new();
        for (name, kind) in [
            (enrichment::NAME, ImportedFile::ENRICHMENT),
            (extraction::NAME, ImportedFile::EXTRACTION),
        ] {
            if let Some((path, bytes)) = read(name) {
                let document =
                    import::read_beside(&path.display().to_string(), &bytes, kind, &reading)?;
                beside.push(BesideOriginal { path, document });
            }
        }
        let claim = |BesideTaken { recorded, .. }: BesideTaken| {
            if let Some((_, last)) = recorded {
                self.claims.push(Claim::Shown { seq: last.get() });
            }
        };
        let Some((path, bytes)) = read(set::ROOT) else {
            let taken = Store::import_beside(ports, store, options, &beside, how)?;
            claim(taken);
            return Ok(());
        };
        let document = import::read(&path.display().to_string(), &bytes, &reading)?;
        let mut original = Original {
            path,
            bytes,
            document,
            beside,
        };
        match Store::import(ports, store, options, &mut original, how)? {
            Imported::Created(made, _) => {
                let seq = made.last.get();
                self.claims.push(Claim::Shown { seq });
            }
            Imported::Merged(merged, taken) => {
                let own = merged.recorded.map(|(_, last)| last);
                let seq = own.unwrap_or(merged.as_of).get();
                self.claims.push(Claim::Shown { seq });
                claim(taken);
            }
        }
        Ok(())
    }

    /// Submits and claims; gives the seq of the first record.
    fn submit(&mut self, command: &Command) -> Result<Option<Seq>, Error> {
        let claims = self.claims;
        let store = self.store()?;
        let answer = store.submit(command);
        let Some(promised) = Claim::of_answer(&answer, store.state().last_seq.get()) else {
            return answer.map(|_| None);
        };
        for claim in promised {
            claims.push(claim);
        }
        match answer {
            Ok(receipt) => Ok(receipt.records().first().map(|record| record.seq)),
            Err(Error::Rejected(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
