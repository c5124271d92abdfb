//! Carrying a plan out: what can be lost is kept first, and the new segment is the last step.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::{Error, Result};
use crate::log::{self, files, glance, lock, mark, poison};
use crate::pipeline::{Event, Json, codec};
use crate::ports::{EntryKind, Ports};

use super::super::{Options, cache, dir};
use super::draft::Draft;
use super::{Occasion, RepairPlan, Repaired, SeqRange, StepKind};

/// The longest list of items that the note names; the header names the records in any case.
const NOTED_ITEMS: usize = 1000;

/// Repairs the store, if the records that are lost are exactly those that were accepted.
///
/// # Errors
/// As [`super::plan`]; [`Error::Io`] if a file could not be replaced, [`Error::NotRecorded`] and
/// [`Error::NotAcknowledged`] if the new segment could not be begun. What was done by then is as good as before, and
/// another repair goes on from there.
pub fn apply(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    occasion: Occasion,
    accepted: &[SeqRange],
) -> Result<Repaired> {
    let log = dir::check(ports, dir, options)?;
    let wal = log.wal_dir();
    let compacting = lock::exclusive(ports, &wal.join(files::COMPACT_LOCK), options.lock_wait)?;
    let writing = lock::exclusive(ports, &wal.join(files::LOCK), options.lock_wait)?;
    let changed = glance::changed(&log);
    // Opened before a byte of it is read: its sync then reports every error since.
    let mut last = Vec::new();
    // One of the last two may be set aside as none of the log's.
    for id in log.segments()?.into_iter().rev().take(2) {
        let path = log.segment_path(id);
        let found = ports.disk.metadata(&path);
        if found.is_ok_and(|found| found.kind != EntryKind::File) {
            // The draft says what that means.
            continue;
        }
        let file = ports.disk.open_read(&path);
        last.push((id, file.map_err(Error::io("open", path))?));
    }
    let draft = Draft::make(ports, dir, options, occasion)?;
    let Some(goal) = draft.goal else {
        return Ok(Repaired::Nothing);
    };
    let mut accepted = accepted.to_vec();
    accepted.sort_unstable();
    accepted.dedup();
    if accepted != draft.plan.lost {
        return Ok(Repaired::NotAccepted(draft.plan));
    }
    let contents: Vec<_> = draft
        .contents
        .iter()
        .map(|(id, bytes)| (*id, &**bytes))
        .collect();
    if let Some(what) = poison::in_its_place(&*ports.disk, wal).filter(|_| draft.poisoned) {
        return Err(Error::Poisoned {
            detail: format!("clearing it: {what}"),
            written: false,
        });
    }
    // Nothing that follows could make it wrong: see there. This way nobody has to think about it.
    cache::discard(&*ports.disk, dir);
    let mut kept = log::replace_segments(&log, &contents)?;
    for path in &draft.set_aside {
        kept.push(log::set_aside(&log, path)?);
    }
    let replaced = |id| contents.iter().any(|(other, _)| *other == id);
    let stays = |id| !replaced(id) && !draft.set_aside.contains(&log.segment_path(id));
    for (id, file) in last.into_iter().filter(|(id, _)| stays(*id)) {
        if let Err(source) = file.sync() {
            return Err(log.poisoned_by(id, goal.durable, source, None));
        }
    }
    let noted = note(ports, occasion, &draft.plan, &kept);
    let end = log::begin_segment_with(
        &log,
        &goal.header,
        goal.first,
        goal.previous,
        goal.durable,
        &[noted],
    )?;
    if draft.poisoned {
        let flag = wal.join(poison::POISONED);
        ports
            .disk
            .remove_file(&flag)
            .map_err(Error::io("remove", flag))?;
    }
    // The segment does not begin where a writer that has the log open would look for it.
    glance::show_change(ports, &log, changed);
    let noted = end.position.last_seq();
    drop((writing, compacting));
    // Advisory: without it the next record raises it.
    let _ = mark::raise(&*ports.disk, wal, noted);
    Ok(Repaired::Done {
        plan: draft.plan,
        noted,
        kept,
    })
}

/// The record that tells of the repair for ever.
fn note(ports: &Ports, occasion: Occasion, plan: &RepairPlan, kept: &[PathBuf]) -> String {
    let now = ports.clock.now();
    let steps = plan.steps.iter().map(|step| {
        json!({
            "do": step.kind.as_str(),
            "file": step.file,
            "byte": step.byte,
            "bytes": step.bytes,
            "records": step.seqs.map(|seqs| seqs.to_string()),
        })
    });
    let detail = json!({
        "steps": steps.take(NOTED_ITEMS).collect::<Vec<_>>(),
        "lost": plan.lost.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "kept": kept.iter().take(NOTED_ITEMS).map(|path| path.display().to_string()).collect::<Vec<_>>(),
    });
    let event = Event::Noted {
        note: words(occasion, plan),
        detail: Some(Json::from_value(&detail)),
        items: plan
            .items
            .iter()
            .take(NOTED_ITEMS)
            .map(|touched| touched.item.clone())
            .collect(),
    };
    codec::encode(&event, now.at, now.given)
}

fn words(occasion: Occasion, plan: &RepairPlan) -> String {
    let lost: Vec<String> = plan.lost.iter().map(ToString::to_string).collect();
    let did = |kind| plan.steps.iter().filter(|step| step.kind == kind).count();
    let parts = [
        (occasion == Occasion::Restored).then(|| "restored from a backup".to_owned()),
        (did(StepKind::PutBack) > 0)
            .then(|| format!("{} segments put back", did(StepKind::PutBack))),
        (did(StepKind::Correct) > 0)
            .then(|| format!("{} places corrected", did(StepKind::Correct))),
        (did(StepKind::Order) > 0).then(|| format!("{} places put in order", did(StepKind::Order))),
        (!lost.is_empty()).then(|| format!("records {} given up", lost.join(", "))),
        (did(StepKind::Seal) > 0).then(|| "a torn tail sealed".to_owned()),
        (did(StepKind::SetAside) > 0)
            .then(|| format!("{} files set aside", did(StepKind::SetAside))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return "repaired".to_owned();
    }
    format!("repaired: {}", parts.join("; "))
}
