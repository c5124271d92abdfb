//! The files beside `work_items.json` in an import: which they are, what became of them, and how that is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::Error;
use crate::pipeline::event::ImportedFile;
use crate::position::Seq;
use crate::snapshot::import::{self, Finding, Severity};
use crate::snapshot::{enrichment, extraction};
use crate::store::Store;
use crate::store::beside::{BesideOriginal, BesideResult, BesideTaken};

use super::super::context::Context;
use super::super::exit;
use super::super::failure::Failure;
use super::super::receipts::count;
use super::super::render::{Report, Style};
use super::super::values;
use super::{SHOWN_OF_A_CODE, WORK_ITEMS, finding_json, line_of};

/// The files that were named, by what they are.
#[derive(Default)]
pub(super) struct Named {
    pub(super) work_items: Option<PathBuf>,
    pub(super) beside: Vec<BesideOriginal>,
}

/// Finds out which files are meant and reads those that are not the progress of items.
pub(super) fn named(
    paths: &[PathBuf],
    context: &mut Context<'_>,
    options: &import::Options,
) -> Result<Named, Failure> {
    let mut named = Named::default();
    for path in paths {
        let files = files_of(path, context)?;
        for file in files {
            named.take(file, context, options)?;
        }
    }
    Ok(named)
}

/// The files that a path means: itself, or of a directory the three known ones that are there.
fn files_of(path: &Path, context: &mut Context<'_>) -> Result<Vec<PathBuf>, Failure> {
    // Through the last name too: people link to their data directories.
    let Ok(names) = context.ports.disk.list(path) else {
        return Ok(vec![path.to_owned()]);
    };
    let mut files = Vec::new();
    for known in [WORK_ITEMS, enrichment::NAME, extraction::NAME] {
        if !names.iter().any(|name| name == known) {
            continue;
        }
        let file = path.join(known);
        let found = context.ports.disk.metadata(&file);
        if known != WORK_ITEMS && found.is_ok_and(|found| found.len == 0) {
            let file = file.display();
            context
                .print
                .warning(&format!("{file} is empty; it was passed over"));
            continue;
        }
        files.push(file);
    }
    if files.is_empty() {
        return Err(Error::Io {
            action: "find a work_items.json in",
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        }
        .into());
    }
    Ok(files)
}

impl Named {
    fn take(
        &mut self,
        path: PathBuf,
        context: &Context<'_>,
        options: &import::Options,
    ) -> Result<(), Failure> {
        let bytes = values::read_file(context, &path, import::MAX_FILE_BYTES)?;
        let mut kind = import::kind(&bytes);
        let name = path.file_name().unwrap_or_default();
        if let b"[]" | b"{}" = bytes.trim_ascii() {
            // Nothing in it tells what it is; its name may.
            if name == enrichment::NAME {
                kind = ImportedFile::ENRICHMENT;
            } else if name == extraction::NAME {
                kind = ImportedFile::EXTRACTION;
            }
        }
        if kind == ImportedFile::WORK_ITEMS {
            if let Some(other) = &self.work_items {
                let (one, other) = (path.display(), other.display());
                return Err(Failure::usage(format!(
                    "{other} and {one} are both files with the progress of items; one at a time"
                )));
            }
            self.work_items = Some(path);
            return Ok(());
        }
        let document = import::read_beside(&path.display().to_string(), &bytes, kind, options)?;
        self.beside.push(BesideOriginal {
            path,
            bytes,
            document,
        });
        Ok(())
    }
}

/// Takes files in where no file with the progress of items is named: there has to be a store.
pub(super) fn run(
    originals: &[BesideOriginal],
    dry_run: bool,
    context: &mut Context<'_>,
) -> Result<u8, Failure> {
    let dir = context.dir().to_owned();
    let taken = if dry_run {
        Store::would_import_beside(&context.ports, &dir, &context.options, originals)
    } else {
        context.announce_write();
        Store::import_beside(&context.ports, &dir, &context.options, originals)
    };
    let taken = taken.map_err(|error| match error {
        Error::NoStore { .. } => {
            let init = context.print.shell.command("init --phase NAME …", &[]);
            Failure::from(error).with_hint(format!(
                "these files name no phases: import them with their work_items.json, or make a store first: {init}"
            ))
        }
        error => error.into(),
    })?;
    let report = Alone {
        dry_run,
        told: Told {
            originals,
            taken: &taken,
        },
    };
    let judged = report.told.judged();
    context.print.report(&report);
    if taken.recorded.is_none() || dry_run {
        return Ok(if judged && dry_run {
            exit::FINDINGS
        } else {
            exit::DONE
        });
    }
    if let Ok(mut store) = Store::open(context.ports.clone(), &dir, context.options.clone()) {
        context.after_write(&mut store);
    }
    Ok(if judged { exit::FINDINGS } else { exit::DONE })
}

/// What became of the files.
pub(super) struct Told<'a> {
    pub(super) originals: &'a [BesideOriginal],
    pub(super) taken: &'a BesideTaken,
}

impl Told<'_> {
    fn each(&self) -> impl Iterator<Item = (&BesideOriginal, &BesideResult)> {
        self.originals.iter().zip(&self.taken.files)
    }

    /// True if something needed judgement.
    pub(super) fn judged(&self) -> bool {
        self.count(Severity::Judged) > 0
    }

    /// How many findings are so severe.
    pub(super) fn count(&self, severity: Severity) -> usize {
        let of_file = |result: &BesideResult| {
            let findings = result.findings.iter();
            findings
                .filter(|finding| finding.severity == severity)
                .count()
        };
        self.taken.files.iter().map(of_file).sum()
    }

    /// Items added, changed, unchanged.
    pub(super) fn items(&self) -> [usize; 3] {
        self.taken
            .files
            .iter()
            .fold([0; 3], |[added, changed, unchanged], file| {
                [
                    added + file.added,
                    changed + file.changed,
                    unchanged + file.unchanged,
                ]
            })
    }

    /// A line for each file, and its findings.
    pub(super) fn text(&self, style: &Style) -> String {
        let mut text = String::new();
        for (original, result) in self.each() {
            let file = &original.document.file;
            let what = format!("{} (shape {})", file.kind, file.shape);
            if let Some(seq) = result.before {
                let _ = writeln!(
                    text,
                    "  {}: {what}, as it was taken over at {seq}",
                    file.path
                );
                continue;
            }
            let (added, changed) = (count(result.added, "new item"), result.changed);
            let same = result.unchanged;
            let _ = writeln!(
                text,
                "  {}: {what}, {added}, {changed} changed, {same} as they were",
                file.path
            );
            let mut of_code: BTreeMap<&str, usize> = BTreeMap::new();
            for finding in &result.findings {
                let seen = of_code.entry(finding.code).or_default();
                *seen += 1;
                if *seen <= SHOWN_OF_A_CODE {
                    let _ = writeln!(text, "{}", line_of(finding, &file.path, style));
                }
            }
            for (code, seen) in of_code
                .into_iter()
                .filter(|(_, seen)| *seen > SHOWN_OF_A_CODE)
            {
                let more = seen - SHOWN_OF_A_CODE;
                let _ = writeln!(text, "  {code}: and {more} more (--json)");
            }
        }
        text
    }

    /// The rows of `files`.
    pub(super) fn files_json(&self) -> impl Iterator<Item = Value> {
        self.each().map(|(original, result)| {
            let (document, file) = (&original.document, &original.document.file);
            let taken = result.added + result.changed > 0;
            json!({
                "path": file.path, "kind": file.kind, "shape": file.shape, "bytes": file.bytes,
                "sha256": file.sha256, "zone": file.zone,
                "newest": document.newest.map(crate::pipeline::Timestamp::to_offset_text),
                "result": if taken { "merged" } else { "unchanged" },
            })
        })
    }

    /// The rows of `findings`.
    pub(super) fn findings_json(&self) -> impl Iterator<Item = Value> {
        self.each().flat_map(|(original, result)| {
            let path = &original.document.file.path;
            let row = |finding: &Finding| finding_json(finding, path);
            result.findings.iter().map(row).collect::<Vec<_>>()
        })
    }
}

/// An import without a file with the progress of items.
struct Alone<'a> {
    dry_run: bool,
    told: Told<'a>,
}

impl Report for Alone<'_> {
    fn text(&self, style: &Style) -> String {
        let files = count(self.told.originals.len(), "file");
        let headline = match self.told.taken.recorded {
            None => format!("unchanged: nothing in {files} is new"),
            Some(_) if self.dry_run => format!("would take in {files}"),
            Some((first, last)) => format!("recorded {first}..{last}: took in {files}"),
        };
        headline + "\n" + &self.told.text(style)
    }

    fn json(&self) -> Value {
        let recorded = self.told.taken.recorded.filter(|_| !self.dry_run);
        let [added, changed, unchanged] = self.told.items();
        json!({
            "dry_run": self.dry_run,
            "first_seq": recorded.map(|(first, _): (Seq, Seq)| first),
            "seq": recorded.map(|(_, last)| last),
            "plan": [],
            "items": {"added": added, "changed": changed, "unchanged": unchanged},
            "files": self.told.files_json().collect::<Vec<_>>(),
            "leftovers": [],
            "counts": {
                "note": self.told.count(Severity::Note),
                "judged": self.told.count(Severity::Judged),
                "refused": self.told.count(Severity::Refused),
            },
            "findings": self.told.findings_json().collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("findings")
    }
}
