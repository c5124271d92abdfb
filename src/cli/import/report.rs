//! What an import says: what became of each file, and every finding.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::position::Seq;
use crate::snapshot::import::{Finding, ImportedDocument, Severity};
use crate::store::create::{Created, Imported};
use crate::store::merge::MergedFile;

use super::super::receipts::count;
use super::super::render::{Report, Style};
use super::beside::Told;
use super::findings::{finding_json, lines_of};

/// An import with a file that has the progress of items.
pub(super) struct ImportReport<'a> {
    pub(super) dry_run: bool,
    pub(super) imported: &'a Imported,
    /// How many the file had.
    pub(super) items: usize,
    pub(super) findings: &'a [Finding],
    pub(super) document: &'a ImportedDocument,
    pub(super) beside: Told<'a>,
    pub(super) leftovers: Vec<String>,
    pub(super) store: String,
}

impl ImportReport<'_> {
    /// The first and the last record, of what lies beside the file as well; `None` if there is nothing to record.
    fn recorded(&self) -> Option<(Seq, Seq)> {
        let own = match self.imported {
            Imported::Created(Created { first, last, .. }, _) => Some((*first, *last)),
            Imported::Merged(merged, _) => merged.recorded,
        };
        let both = [own, self.beside.taken.recorded].into_iter().flatten();
        both.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }

    fn merged_words(&self, merged: &MergedFile) -> String {
        let file = &self.document.file;
        let (added, changed) = (count(merged.added, "new item"), merged.changed);
        let what = format!(
            "{} into {}: {added}, {changed} changed, {} as they were",
            file.path, self.store, merged.unchanged
        );
        // Its own records stand before those of what lies beside it.
        let recorded = self.recorded().filter(|_| merged.recorded.is_some());
        match recorded {
            None => {
                let seq = merged.as_of;
                let nothing = format!("nothing in {} is new since {seq}", file.path);
                match self.beside.taken.recorded {
                    None => format!("unchanged: {nothing}"),
                    Some(_) if self.dry_run => {
                        format!("would take in what lies beside it: {nothing}")
                    }
                    Some((first, last)) => {
                        let records = span(first, last);
                        format!("recorded {records}: took in what lies beside it: {nothing}")
                    }
                }
            }
            Some(_) if self.dry_run => format!("would merge {what}"),
            Some((first, last)) => format!("recorded {}: merged {what}", span(first, last)),
        }
    }

    /// What became of the file and of its items: added, changed, unchanged.
    fn result(&self) -> (&'static str, [usize; 3]) {
        match self.imported {
            Imported::Created(..) => ("imported", [self.items, 0, 0]),
            Imported::Merged(merged, _) => {
                let word = match merged.recorded {
                    Some(_) => "merged",
                    None => "unchanged",
                };
                (word, [merged.added, merged.changed, merged.unchanged])
            }
        }
    }

    fn headline(&self) -> String {
        let file = &self.document.file;
        let what = format!(
            "{} with {} from {} (shape {})",
            count(self.items, "item"),
            count(self.document.plan.phases().len(), "phase"),
            file.path,
            file.shape
        );
        match self.imported {
            Imported::Merged(merged, _) => self.merged_words(merged),
            Imported::Created(..) if self.dry_run => {
                format!("would take over {what} into {}", self.store)
            }
            Imported::Created(created, _) => {
                format!(
                    "recorded {}..{}: imported {what} into {}",
                    created.first, created.last, self.store
                )
            }
        }
    }
}

impl Report for ImportReport<'_> {
    fn text(&self, style: &Style) -> String {
        let mut text = self.headline() + "\n";
        text += &lines_of(self.findings, &self.document.file.path, style);
        text += &self.beside.text(style);
        for name in &self.leftovers {
            let _ = writeln!(
                text,
                "  note   I-LEFTOVER {name}: left where it is, not read"
            );
        }
        text
    }

    fn json(&self) -> Value {
        let (document, file) = (self.document, &self.document.file);
        let recorded = self.recorded().filter(|_| !self.dry_run);
        let (result, [added, changed, unchanged]) = self.result();
        let findings = self.findings.iter();
        let findings = findings.map(|finding| finding_json(finding, &file.path));
        let findings = findings.chain(self.beside.findings_json());
        let [more, also_changed, same] = self.beside.items();
        let counted = |severity| {
            self.findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
                + self.beside.count(severity)
        };
        let own = json!({
            "path": file.path, "kind": file.kind, "shape": file.shape, "bytes": file.bytes,
            "sha256": file.sha256, "zone": file.zone,
            "newest": document.newest.map(crate::pipeline::Timestamp::to_offset_text),
            "result": result,
        });
        let files: Vec<Value> = std::iter::once(own)
            .chain(self.beside.files_json())
            .collect();
        json!({
            "dry_run": self.dry_run,
            "first_seq": recorded.map(|(first, _)| first),
            "seq": recorded.map(|(_, last)| last),
            "plan": document.plan.phases().iter().map(|plan| plan.phase.as_str()).collect::<Vec<_>>(),
            "items": {
                "added": added + more, "changed": changed + also_changed,
                "unchanged": unchanged + same,
            },
            "files": files,
            "leftovers": self.leftovers,
            "counts": {
                "note": counted(Severity::Note),
                "judged": counted(Severity::Judged),
                "refused": counted(Severity::Refused),
            },
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("findings")
    }
}

/// The places of the first and the last record, as receipts show them.
pub(super) fn span(first: Seq, last: Seq) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}..{last}")
    }
}
