//! The files beside `work_items.json` in an import: what became of them, and how that is told.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::snapshot::import::{Finding, Severity};
use crate::store::beside::{BesideResult, BesideTaken, KnownAs};
use crate::store::given::BesideOriginal;

use super::super::receipts::count;
use super::super::render::Style;
use super::files::Passed;
use super::findings::{finding_json, lines_of};

/// What became of the files.
pub(super) struct Told<'a> {
    pub(super) originals: &'a [BesideOriginal],
    pub(super) taken: &'a BesideTaken,
    /// Files of a directory that were passed over.
    pub(super) passed: &'a [Passed],
}

impl Told<'_> {
    fn each(&self) -> impl Iterator<Item = (&BesideOriginal, &BesideResult)> {
        self.originals.iter().zip(&self.taken.files)
    }

    /// True if something needed judgement, of a file that was not taken over before.
    pub(super) fn judged(&self) -> bool {
        let mut passed = self.passed.iter();
        self.taken.files.iter().any(BesideResult::is_judged)
            || passed.any(|it| it.finding.severity == Severity::Judged)
    }

    /// How many findings are so severe.
    pub(super) fn count(&self, severity: Severity) -> usize {
        let of_file = |result: &BesideResult| {
            let findings = result.findings.iter();
            findings
                .filter(|finding| finding.severity == severity)
                .count()
        };
        let passed = self.passed.iter().map(|it| it.finding.severity);
        self.taken.files.iter().map(of_file).sum::<usize>()
            + passed.filter(|it| *it == severity).count()
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
            let (added, changed) = (count(result.added, "new item"), result.changed);
            let became = match result.known {
                Some(KnownAs::Imported(seq)) => format!("as it was taken over at {seq}"),
                Some(KnownAs::Snapshot(seq)) => format!("the snapshot of {seq} as it was written"),
                None => format!(
                    "{added}, {changed} changed, {} as they were",
                    result.unchanged
                ),
            };
            let _ = writeln!(text, "  {}: {what}, {became}", file.path);
            text += &lines_of(&result.findings, &file.path, style);
        }
        for Passed { path, finding } in self.passed {
            text += &lines_of(std::slice::from_ref(finding), path, style);
        }
        text
    }

    /// The rows of `files`.
    pub(super) fn files_json(&self) -> impl Iterator<Item = Value> {
        self.each().map(|(original, result)| {
            let (document, file) = (&original.document, &original.document.file);
            let taken = result.recorded || result.added + result.changed > 0;
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
        let passed = self.passed.iter();
        let passed = passed.map(|passed| finding_json(&passed.finding, &passed.path));
        let of_files = self.each().flat_map(|(original, result)| {
            let path = &original.document.file.path;
            let row = |finding: &Finding| finding_json(finding, path);
            result.findings.iter().map(row).collect::<Vec<_>>()
        });
        of_files.chain(passed)
    }
}
