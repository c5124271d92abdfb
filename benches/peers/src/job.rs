//! The job that everybody does: houses with six phases, each transition updates the state and keeps the event.

use std::path::{Path, PathBuf};

use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan, Report, ReportKind};
use phaselog::position::Seq;
use phaselog::store::CompactMode;
use phaselog::{Options, Ports, Store};

use crate::measure::Failed;

pub const PHASES: [&str; 6] = [
    "phase0_county",
    "phase1_listing",
    "phase1_map",
    "phase2_images",
    "phase3_synthesis",
    "phase4_report",
];

/// A made-up address.
pub fn address(index: usize) -> String {
    format!(
        "{} N Example St Unit {index}, Phoenix, AZ 85001",
        100 + index % 9900
    )
}

pub fn item(index: usize) -> ItemId {
    ItemId::new(&address(index)).expect("an address is an item")
}

pub fn phase(index: usize) -> Phase {
    Phase::new(PHASES[index]).expect("the phases have names")
}

pub fn options() -> Options {
    Options {
        compact: CompactMode::Never,
        ..Options::default()
    }
}

/// A store of `items` items, everything pending.
pub fn store(dir: &Path, items: usize) -> Result<(), Failed> {
    let _ = std::fs::remove_dir_all(dir);
    let phases = (0..PHASES.len()).map(|index| PhasePlan::named(phase(index)));
    let plan = Plan::new(phases.collect())?;
    let items: Vec<NewItem> = (0..items)
        .map(|index| NewItem {
            name: item(index),
            id: None,
        })
        .collect();
    let _ = Store::init(&Ports::real(), dir, &options(), &plan, &items)?;
    Ok(())
}

/// The `step`th transition of a writer that has `items` items from `first` on: each phase of each is started, then
/// completed. `token` is the answer to the step before.
pub fn step(first: usize, step: usize, token: Option<Seq>) -> Command {
    let (attempt, completes) = (step / 2, step % 2 == 1);
    let item = item(first + attempt / PHASES.len());
    let phase = phase(attempt % PHASES.len());
    if completes {
        return Command::Report(Report::new(item, phase, token, ReportKind::Complete));
    }
    Command::Start {
        item,
        phase,
        worker: Some("w1".to_owned()),
        owner: None,
    }
}

/// The `step`th command of a writer that never ends: each phase of each item is put back if it is done, started and completed.
pub fn turn(items: usize, step: usize, token: Option<Seq>) -> Command {
    let (attempt, part) = (step / 3, step % 3);
    let item = item(attempt % items);
    let phase = phase(attempt / items % PHASES.len());
    match part {
        0 => Command::Retry {
            item,
            phase: Some(phase),
            force: true,
        },
        1 => Command::Start {
            item,
            phase,
            worker: Some("w1".to_owned()),
            owner: None,
        },
        _ => Command::Report(Report::new(item, phase, token, ReportKind::Complete)),
    }
}

/// How many items a writer needs for so many steps.
pub fn items_for(steps: usize) -> usize {
    steps.div_ceil(2 * PHASES.len())
}

/// The last `count` lines of a store's log, newlines included: the bytes that were appended.
pub fn last_lines(dir: &Path, count: usize) -> Result<Vec<Vec<u8>>, Failed> {
    let mut bytes = Vec::new();
    for segment in segments(dir)? {
        bytes.extend(std::fs::read(segment)?);
    }
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let from = lines.len().saturating_sub(count);
    Ok(lines[from..].iter().map(|line| line.to_vec()).collect())
}

/// The segments of a store, in order.
pub fn segments(dir: &Path) -> Result<Vec<PathBuf>, Failed> {
    let names = std::fs::read_dir(dir.join("wal"))?;
    let mut paths: Vec<PathBuf> = names
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "wal"))
        .collect();
    paths.sort();
    Ok(paths)
}

/// A `work_items.json` as a script would have written it, part of it done.
pub fn work_items(items: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(items * 1024);
    text.push_str(
        "{\n  \"session\": {\"session_id\": \"s1\", \"mode\": \"batch\"},\n  \"work_items\": [",
    );
    for index in 0..items {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(
            text,
            "{comma}\n    {{\"id\": \"{index:08x}\", \"address\": \"{}\", \"index\": {index}, \"status\": \"pending\", \"phases\": {{",
            address(index)
        );
        for (number, phase) in PHASES.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            // The first two phases of every third item are done.
            if number < 2 && index % 3 == 0 {
                let _ = write!(
                    text,
                    "{comma}\"{phase}\": {{\"status\": \"completed\", \"started_at\": \"2026-11-20T08:{:02}:00+00:00\", \"completed_at\": \"2026-11-20T09:{:02}:00+00:00\", \"attempts\": 1}}",
                    index % 60,
                    index % 60
                );
            } else {
                let _ = write!(
                    text,
                    "{comma}\"{phase}\": {{\"status\": \"pending\", \"started_at\": null, \"completed_at\": null, \"attempts\": 0}}"
                );
            }
        }
        text.push_str("}, \"created_at\": \"2026-11-20T08:00:00+00:00\", \"last_updated\": \"2026-11-20T09:00:00+00:00\"}");
    }
    text.push_str("\n  ]\n}\n");
    text
}
