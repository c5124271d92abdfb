//! Files at the names of snapshots that are not what was written there: whose they are, and what is said of them.
//!
//! ```text
//!   no `imported` record carries its SHA-256                       somebody's edit
//!   one does, behind what the log says snapshots in place cover    taken over: ours to replace
//!   one does, and a snapshot was put in its place since            put back by somebody: an edit again
//!   a crash may have left it there (`.next`)                       nobody's edit
//! ```

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::pipeline::PipelineState;
use crate::pipeline::state::ImportSource;
use crate::ports::Ports;
use crate::position::Seq;
use crate::snapshot::set::{self, Finding, FindingKind};
use crate::snapshot::{enrichment, extraction};

use super::Warning;

/// The findings that no import explains, of files that matter: a file that was taken over, byte for byte, is ours to replace, until
/// snapshots with it are in place, those through `compacted`. Was it the snapshot of another log, then the set before it came with it.
pub(super) fn unexplained(
    (ports, dir): (&Ports, &Path),
    findings: Vec<Finding>,
    state: &PipelineState,
    compacted: Seq,
) -> Vec<Finding> {
    let last_import = |finding: &Finding| {
        let sha256 = finding.sha256.as_deref()?;
        last_import(&state.imports, sha256)
    };
    let mut findings = findings;
    for finding in &mut findings {
        if let Some(last) = last_import(finding).filter(|last| *last <= compacted)
            && is_put_back((ports, dir), finding)
        {
            finding.kind = FindingKind::PutBack;
            finding.message = format!("it is what was taken over at {last}");
        }
    }
    let explained = |finding: &Finding| {
        let is_put_back = finding.kind == FindingKind::PutBack;
        last_import(finding).is_some_and(|last| last > compacted || !is_put_back)
    };
    let other_log = |finding: &Finding| finding.kind == FindingKind::OtherLog;
    let is_root = |finding: &Finding| finding.file == set::ROOT;
    // A companion that is told of itself, or is explained, is what its root misses.
    let missed = findings.iter().any(|finding| {
        let theirs = matches!(
            finding.kind,
            FindingKind::Edited { .. }
                | FindingKind::PutBack
                | FindingKind::Unparsable
                | FindingKind::NotAFile
        );
        theirs && set::COMPANIONS.contains(&&*finding.file)
    });
    let is_written = |finding: &Finding| match &*finding.file {
        enrichment::NAME => state.enrichment.is_some(),
        extraction::NAME => state.extraction.is_some(),
        _ => true,
    };
    let of_no_concern = |finding: &Finding| match finding.kind {
        FindingKind::MissingCompanion => is_root(finding) && missed,
        FindingKind::Unnamed => !is_written(finding),
        // A script's own backup of its `work_items.json`. A compaction that needs the name keeps a copy of it first.
        FindingKind::Foreign | FindingKind::Edited { .. } => finding.file == set::bak(set::ROOT),
        _ => false,
    };
    let came_with_root = findings
        .iter()
        .any(|finding| is_root(finding) && other_log(finding) && explained(finding));
    findings
        .into_iter()
        .filter(|finding| {
            let came_along = came_with_root && other_log(finding);
            !(explained(finding) || of_no_concern(finding) || came_along)
        })
        .collect()
}

/// Tells apart which roots that were changed say that they were written at a record behind `last`, where the log ends.
pub(super) fn beyond(findings: &mut [Finding], last: Seq) {
    for finding in findings {
        if let FindingKind::Edited { log_seq: Some(seq) } = finding.kind
            && finding.file == set::ROOT
            && seq > last
        {
            finding.kind = FindingKind::Beyond;
            finding.message =
                format!("it says that it was written at record {seq}, and the log ends at {last}");
        }
    }
}

/// A root of another log is another history, and nobody knows which of the two is meant.
///
/// Beside a root of ours, or none, a `.bak` of another log is only of no use: the log has everything.
pub(super) fn stop_at_other_history(dir: &Path, findings: &[Finding]) -> Result<()> {
    let other =
        |finding: &&Finding| finding.kind == FindingKind::OtherLog && finding.file == set::ROOT;
    match findings.iter().find(other) {
        Some(finding) => Err(Error::OtherLog {
            file: dir.join(&finding.file),
            what: finding.message.clone(),
        }),
        None => Ok(()),
    }
}

/// True if a file of these bytes was taken over: its original is kept.
pub(super) fn is_imported(state: &PipelineState, sha256: &str) -> bool {
    last_import(&state.imports, sha256).is_some()
}

/// The last record that took over a file of these bytes.
pub(super) fn last_import(imports: &[ImportSource], sha256: &str) -> Option<Seq> {
    let mut imports = imports.iter();
    imports.rfind(|it| it.sha256 == sha256).map(|it| it.seq)
}

/// True if a file that was taken over lies there again after a snapshot was put in its place: somebody put it back.
///
/// No crash does: a compaction is on record only when its files are in place, for certain, and until then `.next` tells of it.
/// What no root names was never replaced. The set before, of another log, came with the root that was taken over.
fn is_put_back((ports, dir): (&Ports, &Path), finding: &Finding) -> bool {
    let can_be = finding.file != set::bak(set::ROOT)
        && matches!(
            finding.kind,
            FindingKind::Edited { .. }
                | FindingKind::Unparsable
                | FindingKind::Foreign
                | FindingKind::OtherLog
        );
    // The files were looked at before the log was read that tells of the compaction.
    let is_there = || set::is_there_still(&*ports.disk, dir, finding);
    can_be && is_there().unwrap_or(false) && !set::is_moving(&*ports.disk, dir).unwrap_or(true)
}

/// The files that somebody else wrote or changed: not ours to replace unasked.
pub(super) fn edited(findings: &[Finding]) -> Vec<PathBuf> {
    let theirs = |kind| {
        matches!(
            kind,
            FindingKind::Edited { .. }
                | FindingKind::Beyond
                | FindingKind::PutBack
                | FindingKind::Unparsable
                | FindingKind::Unnamed
                | FindingKind::Foreign
                | FindingKind::NotAFile
        )
    };
    let files = findings.iter().filter(|finding| theirs(finding.kind));
    files.map(|finding| PathBuf::from(&finding.file)).collect()
}

/// What is said of a file that is not what was written there.
pub(super) fn snapshot_warning(finding: &Finding) -> Warning {
    let file = &finding.file;
    match finding.kind {
        FindingKind::Edited { .. } => Warning::new(
            "W-EDITED",
            format!(
                "{file} was changed by another program since it was written; the state comes from the log, and the file is left alone: `import` takes the changes in, `compact --discard-edits` drops them"
            ),
        ),
        FindingKind::Beyond => Warning::new(
            "W-EDITED",
            format!(
                "{file} was changed by another program since it was written, and {}: nothing in it can be taken in; the state comes from the log, and the file is left alone: `compact --discard-edits` keeps a copy of it and writes it anew",
                finding.message
            ),
        ),
        FindingKind::PutBack => Warning::new(
            "W-EDITED",
            format!(
                "{file} was put back in place of the snapshot ({}); the state comes from the log, and the file is left alone: `import` takes in what is new, `compact --discard-edits` drops it",
                finding.message
            ),
        ),
        FindingKind::Unparsable => Warning::new(
            "W-EDITED",
            format!(
                "{file} was changed by another program since it was written and cannot be read any more ({}); the state comes from the log, and the file is left alone: mend it and `import` takes the changes in, `compact --discard-edits` drops it",
                finding.message
            ),
        ),
        FindingKind::Unnamed => Warning::new(
            "W-FOREIGN",
            format!(
                "{file} is of no snapshot here: it is another program's, or the {} that named it is gone; the state comes from the log, and the file is left alone: `import` takes in what it has, `compact --discard-edits` drops it",
                set::ROOT
            ),
        ),
        FindingKind::Foreign => Warning::new(
            "W-FOREIGN",
            format!(
                "{file} is another program's; the state comes from the log, and the file is left alone: `import` takes it in, `compact --discard-edits` drops it"
            ),
        ),
        FindingKind::NotAFile => Warning::new(
            "W-NOT-A-FILE",
            format!(
                "{file} is not usable ({}); the state comes from the log, and no snapshot is written until it is moved away",
                finding.message
            ),
        ),
        _ => Warning::new(
            "W-SNAPSHOT",
            format!(
                "{file} is not usable ({}); the state comes from the log",
                finding.message
            ),
        ),
    }
}
