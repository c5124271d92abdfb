//! The files in the directory: edited snapshots against the log, and what lies around.

use std::path::Path;

use crate::error::Error;
use crate::ports::Ports;
use crate::snapshot::import;
use crate::snapshot::set::{self, ROOT};

use super::super::dir::WAL;
use super::super::given::{MergeOptions, Original};
use super::super::{Options, View};
use super::{Finding, Severity};
use crate::log::files::{QUARANTINE, temp_target};

/// How far what scripts read is behind the log.
pub(super) fn behind(ports: &Ports, dir: &Path, view: &View, findings: &mut Vec<Finding>) {
    if !view.edited().is_empty() {
        return;
    }
    let files = view.files(ports, dir);
    let Some(seq) = files.seq() else {
        let mut names = [ROOT].into_iter().chain(set::COMPANIONS);
        let is_there = names.any(|name| ports.disk.exists(&dir.join(name)).unwrap_or(false));
        let said = if is_there {
            "there are no snapshots yet: scripts read the files that were taken over, and nothing that was recorded since"
        } else {
            "there are no snapshots yet; scripts that read the files see nothing"
        };
        let finding = Finding::note("D-BEHIND", ".").saying(said);
        return findings.push(finding.then("compact", &[]));
    };
    let behind = view.behind(Some(seq));
    let said = match (files.root, files.older_than) {
        (None, _) => format!(
            "no file of that name is as it was written; its .bak is of record {seq}, {behind} records behind the log"
        ),
        // Nobody is accused: so does a compaction leave it that was cut short after it had found no better set.
        (Some(_), Some(newer)) => format!(
            "the files are of record {seq}, {behind} records behind the log, though those of {newer} were written here: an older set lies there by now; the log has everything"
        ),
        _ if view.says_all(seq) => return,
        _ => format!("it is {behind} records behind the log"),
    };
    findings.push(
        Finding::note("D-BEHIND", ROOT)
            .saying(said)
            .then("compact", &[]),
    );
}

/// What the changes in an edited snapshot would come to: the log and the file, side by side.
pub(super) fn edited(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    view: &View,
    findings: &mut Vec<Finding>,
) {
    for file in view.edited() {
        if file.as_os_str() != ROOT {
            continue;
        }
        let path = dir.join(file);
        let name = file.display().to_string();
        // Told beside what `verify` says about it: this is what to do.
        findings.retain(|it| !(it.place == name && matches!(it.code, "V-EDITED" | "V-FOREIGN")));
        findings.extend(match compare(ports, dir, options, &path) {
            Ok(found) => found,
            Err(error) => {
                let finding = Finding::warning("D-EDITED", &name)
                    .saying(format!("it was changed and cannot be taken in: {error}"));
                let path = path.display().to_string();
                vec![match error {
                    Error::NoSuchPlace { .. } => finding.then("compact --discard-edits", &[]),
                    _ => finding.then("import --dry-run", &[&path]),
                }]
            }
        });
    }
}

fn compare(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    path: &Path,
) -> crate::error::Result<Vec<Finding>> {
    let given = path.display().to_string();
    let bytes = ports
        .disk
        .read(path, import::MAX_FILE_BYTES)
        .map_err(crate::error::Error::io("read", path))?;
    let reading = import::Options::new(ports.clock.now().at);
    let document = import::read(&given, &bytes, &reading)?;
    let mut original = Original {
        path: path.to_owned(),
        bytes,
        document,
        beside: Vec::new(),
    };
    let how = MergeOptions {
        reading: &reading,
        prefer_file: false,
    };
    let (merged, _) = super::super::import::preview_all((ports, dir, options), &mut original, how)?;
    let mut all = vec![
        Finding::warning("D-EDITED", ROOT)
            .saying(format!(
                "another program changed it; items that are new: {}, changed against the log: {}, as they were: {}",
                merged.added, merged.changed, merged.unchanged
            ))
            .then("import --dry-run", &[&given]),
    ];
    let judged = merged
        .findings
        .iter()
        .filter(|it| it.severity == import::Severity::Judged);
    all.extend(judged.map(|it| of_import(it, ROOT)));
    Ok(all)
}

/// What an import says about a file.
pub(super) fn of_import(found: &import::Finding, file: &str) -> Finding {
    let severity = match found.severity {
        import::Severity::Note => Severity::Note,
        _ => Severity::Warning,
    };
    let place = match (found.line, found.column) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
        _ => file.to_owned(),
    };
    Finding::new(found.code, severity, place)
        .about(found.item.as_deref(), found.phase.as_deref())
        .saying(found.message.clone())
        .advice(import::advice(found.code))
}

/// Temp and backup files of other programs, and what was set aside here.
pub(super) fn lying_around(ports: &Ports, dir: &Path, is_store: bool, findings: &mut Vec<Finding>) {
    let ours = |name: &str| is_store && (set::is_bak(name) || temp_target(name).is_some());
    for name in ports.disk.list(dir).unwrap_or_default() {
        if import::is_left_over(&name) && !ours(&name) {
            findings.push(
                Finding::warning("D-LEFT-OVER", name)
                    .saying("a temp or backup file of another program; it is not read")
                    .advice("look whether something in it is missing elsewhere, then remove it"),
            );
        }
    }
    let quarantine = dir.join(WAL).join(QUARANTINE);
    let kept = ports.disk.list(&quarantine).unwrap_or_default().len();
    if kept > 0 {
        findings.push(
            Finding::note("D-QUARANTINE", format!("{WAL}/{QUARANTINE}"))
                .saying(format!("{kept} files were set aside by a repair or instead of an edit; they are never removed by themselves"))
                .advice("remove them when nobody wants to look at them any more"),
        );
    }
}
