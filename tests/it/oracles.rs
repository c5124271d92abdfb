//! What must be true after a crash, each a function; and a model that shares no code with the program.

use std::collections::BTreeMap;
use std::path::Path;

use phaselog::log::{Access, From, Log, Witnesses};
use phaselog::pipeline::command::Unchanged;
use phaselog::pipeline::{Record, codec};
use phaselog::position::Seq;
use phaselog::store::replay::{self, At};
use phaselog::testing::SimDisk;
use phaselog::{Options, Store, View};
use serde_json::Value;

/// Something that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Claim {
    /// This record was acknowledged.
    Recorded { seq: u64, payload: String },
    /// An answer was given that rests on this record.
    Rests { on: u64 },
    /// The state was shown as of this record.
    Shown { seq: u64 },
}

impl Claim {
    pub(crate) fn recorded(record: &Record) -> Self {
        let payload = codec::encode(&record.event, record.at, record.clock_given);
        Self::Recorded {
            seq: record.seq.get(),
            payload,
        }
    }
}

/// The record that says why nothing needs to be recorded.
pub(crate) fn rests_on(unchanged: &Unchanged) -> u64 {
    match unchanged {
        Unchanged::Phase { since, .. } => since.get(),
        Unchanged::Hold { since, .. } => since.map_or(0, Seq::get),
        _ => 0,
    }
}

/// All oracles, on a disk after a power cut.
pub(crate) fn all(
    disk: &SimDisk,
    dir: &str,
    options: &Options,
    claims: &[Claim],
) -> Result<(), String> {
    let dir = Path::new(dir);
    let lines = read_log(disk, dir)?;
    o1_acknowledged_is_there(&lines, claims)?;
    o2_groups_are_whole(&lines)?;
    let before = disk.fork();
    let view = View::open(&disk.ports_for("reader"), dir, options)
        .map_err(|error| format!("open: {error}"))?;
    o9_readers_write_nothing(disk, "reader")?;
    o3_state_is_the_models(&view, &lines)?;
    o8_snapshot_and_tail_are_a_replay(disk, dir, options, &view)?;
    o5_what_was_shown_stays(disk, dir, options, &view)?;
    o4_recovering_twice_is_once(&before, dir, options, claims)
}

fn read_log(disk: &SimDisk, dir: &Path) -> Result<Vec<(u64, String)>, String> {
    let log = Log::new(disk.ports_for("lister"), dir);
    let witnesses = Witnesses {
        mark: log.mark(),
        snapshot: Seq::NONE,
    };
    let mut lines = Vec::new();
    log.read(
        From::FirstRecord,
        witnesses,
        Access::ReadOnly,
        false,
        &mut |entry| {
            lines.push((entry.frame.seq.get(), entry.frame.payload.to_owned()));
            Ok(())
        },
    )
    .map_err(|error| format!("reading the log: {error}"))?;
    Ok(lines)
}

/// O1: every acknowledged record is present, in order, bit for bit, and so is what every answer rests on.
fn o1_acknowledged_is_there(lines: &[(u64, String)], claims: &[Claim]) -> Result<(), String> {
    let last = lines.last().map_or(0, |line| line.0);
    for claim in claims {
        match claim {
            Claim::Recorded { seq, payload } => {
                let found = lines
                    .iter()
                    .find(|line| line.0 == *seq)
                    .map(|line| line.1.as_str());
                let found = found.map(|text| text.replacen("{\"more\":true,", "{", 1));
                if found.as_deref() != Some(payload) {
                    return Err(format!(
                        "O1: {seq} was acknowledged as {payload}; there is {found:?}"
                    ));
                }
            }
            Claim::Rests { on: seq } | Claim::Shown { seq } => {
                if *seq > last {
                    return Err(format!(
                        "O1: an answer rests on {seq}; the log ends at {last}"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// O2: seqs without a gap, and no group without its end.
fn o2_groups_are_whole(lines: &[(u64, String)]) -> Result<(), String> {
    for (line, wanted) in lines.iter().zip(1..) {
        if line.0 != wanted {
            return Err(format!("O2: {} stands where {wanted} should", line.0));
        }
    }
    match lines.last() {
        Some((seq, payload)) if payload.starts_with("{\"more\":true,") => {
            Err(format!("O2: the group at {seq} has no end"))
        }
        _ => Ok(()),
    }
}

/// O3: the state is what a naive fold over the text of the log says.
fn o3_state_is_the_models(view: &View, lines: &[(u64, String)]) -> Result<(), String> {
    let model = Model::fold(lines.iter().map(|line| line.1.as_str()));
    let state = view.state();
    let mut seen = BTreeMap::new();
    for item in state.items() {
        for (plan, phase) in state.plan.phases().iter().zip(&item.phases) {
            let facts = (
                phase.status.as_str().to_owned(),
                phase.attempts,
                phase.retry_count,
            );
            seen.insert((item.name.to_string(), plan.phase.to_string()), facts);
        }
    }
    if seen == model.phases {
        Ok(())
    } else {
        Err(format!(
            "O3: {seen:?}\nbut the model says {:?}",
            model.phases
        ))
    }
}

/// O4: recovering twice is recovering once, and the second time writes nothing.
fn o4_recovering_twice_is_once(
    disk: &SimDisk,
    dir: &Path,
    options: &Options,
    claims: &[Claim],
) -> Result<(), String> {
    let resume = |disk: &SimDisk, actor: &str| {
        let mut store = Store::open(disk.ports_for(actor), dir, options.clone())
            .map_err(|error| format!("O4 open by {actor}: {error}\n{}", disk.trace()))?;
        store
            .resume(None)
            .map_err(|error| format!("O4 resume: {error}"))?;
        Ok::<_, String>(store.state().clone())
    };
    let first = resume(disk, "first")?;
    let before = disk.calls_made().len();
    let second = resume(disk, "second")?;
    let wrote = disk.calls_made()[before..]
        .iter()
        .find(|call| call.kind.writes() && !call.path.ends_with("mark"))
        .cloned();
    if let Some(call) = wrote {
        return Err(format!("O4: the second recovery wrote: {call:?}"));
    }
    if first != second {
        return Err(format!("O4: {first:?}\nthen {second:?}"));
    }
    let mut nothing_pending_survives = |_: &_| false;
    let cut = disk.power_cut(&mut nothing_pending_survives);
    o1_acknowledged_is_there(&read_log(&cut, dir)?, claims)
}

/// O5: a power cut right after something was shown changes nothing of it.
fn o5_what_was_shown_stays(
    disk: &SimDisk,
    dir: &Path,
    options: &Options,
    view: &View,
) -> Result<(), String> {
    let cut = disk.power_cut(&mut |_| false);
    let again = View::open(&cut.ports_for("again"), dir, options)
        .map_err(|error| format!("O5 open: {error}"))?;
    if again.state() == view.state() {
        Ok(())
    } else {
        Err(format!(
            "O5: shown {:?}\nthen {:?}",
            view.state(),
            again.state()
        ))
    }
}

/// O8: snapshot and tail equal a replay from record 1, in everything that `apply` keeps.
fn o8_snapshot_and_tail_are_a_replay(
    disk: &SimDisk,
    dir: &Path,
    options: &Options,
    view: &View,
) -> Result<(), String> {
    let replayed = replay::state_at(
        &disk.ports_for("replay"),
        dir,
        options,
        At::Seq(view.last_seq()),
    );
    let replayed = replayed.map_err(|error| format!("O8 replay: {error}"))?;
    if replayed == *view.state() {
        Ok(())
    } else {
        Err(format!(
            "O8: {:?}\nbut a replay gives {replayed:?}",
            view.state()
        ))
    }
}

/// O9: who looks issues no writing call.
fn o9_readers_write_nothing(disk: &SimDisk, actor: &str) -> Result<(), String> {
    match disk
        .calls_made()
        .iter()
        .find(|call| &*call.actor == actor && call.kind.writes())
    {
        Some(call) => Err(format!("O9: a reader wrote: {call:?}")),
        None => Ok(()),
    }
}

/// A naive model of the pipeline: text in, statuses out.
#[derive(Default)]
struct Model {
    plan: Vec<String>,
    /// By item and phase: status, attempts, failures.
    phases: BTreeMap<(String, String), (String, u32, u32)>,
}

impl Model {
    fn fold<'a>(payloads: impl Iterator<Item = &'a str>) -> Self {
        let mut model = Self::default();
        for payload in payloads {
            model.take(&serde_json::from_str(payload).unwrap());
        }
        model
    }

    fn take(&mut self, event: &Value) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().unwrap() {
            "planned" => {
                let phases = event["phases"].as_array().unwrap();
                self.plan = phases
                    .iter()
                    .map(|phase| phase["phase"].as_str().unwrap().to_owned())
                    .collect();
            }
            "added" => {
                for phase in self.plan.clone() {
                    self.phases
                        .insert((text("item"), phase), ("pending".to_owned(), 0, 0));
                }
            }
            "segment" | "compacted" | "noted" | "rejected" | "held" | "unheld" | "renewed" => {}
            kind => {
                let phase = self.phases.get_mut(&(text("item"), text("phase"))).unwrap();
                phase.1 += u32::from(kind == "started");
                phase.2 += u32::from(kind == "failed");
                let status = match kind {
                    "started" => "in_progress",
                    "completed" | "failed" | "skipped" => kind,
                    "released" | "reset" | "retried" => "pending",
                    other => panic!("{other}"),
                };
                status.clone_into(&mut phase.0);
            }
        }
    }
}
