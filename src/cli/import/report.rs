//! What an import says: what became of each file, and every finding.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::position::Seq;
use crate::snapshot::import::{Finding, ImportedDocument, Severity};
use crate::store::create::{Created, Imported};
use crate::store::merge::MergedFile;

use super::super::receipts::count;
use super::super::render::{Report, Style, escape, to_value};
use super::beside::Told;

/// Findings of one code and one severity that text prints.
pub(super) const SHOWN_OF_A_CODE: usize = 10;

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
    /// The first and the last record; `None` if there is nothing to record.
    fn recorded(&self) -> Option<(Seq, Seq)> {
        match self.imported {
            Imported::Created(Created { first, last, .. }, _) => Some((*first, *last)),
            Imported::Merged(merged) => merged.recorded,
        }
    }

    fn merged_words(&self, merged: &MergedFile) -> String {
        let file = &self.document.file;
        let (added, changed) = (count(merged.added, "new item"), merged.changed);
        let what = format!(
            "{} into {}: {added}, {changed} changed, {} as they were",
            file.path, self.store, merged.unchanged
        );
        match merged.recorded {
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
            Imported::Merged(merged) => {
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
            Imported::Merged(merged) => self.merged_words(merged),
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
        let seqs = [self.recorded(), self.beside.taken.recorded];
        let seqs = seqs.into_iter().flatten().filter(|_| !self.dry_run);
        let recorded = seqs.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
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

/// A finding as a row of `findings`.
pub(super) fn finding_json(finding: &Finding, path: &str) -> Value {
    let mut row = serde_json::Map::new();
    if let Value::Object(fields) = to_value(finding) {
        for (key, value) in fields {
            row.insert(key.clone(), value);
            if key == "severity" {
                row.insert("file".into(), json!(path));
            }
        }
    }
    Value::Object(row)
}

/// The lines of a file's findings. Of each code and severity the first ten, so that notes hide nothing that was judged,
/// and every word that was judged once, however many there are.
pub(super) fn lines_of(findings: &[Finding], path: &str, style: &Style) -> String {
    let mut text = String::new();
    let mut seen: BTreeMap<(&str, Severity), [usize; 2]> = BTreeMap::new();
    let mut words = HashSet::new();
    for finding in findings {
        let [all, shown] = seen.entry((finding.code, finding.severity)).or_default();
        *all += 1;
        let is_new_word = finding.code == "I-WORD" && words.insert(&finding.found);
        if *all <= SHOWN_OF_A_CODE || is_new_word {
            *shown += 1;
            let _ = writeln!(text, "{}", line_of(finding, path, style));
        }
    }
    for ((code, severity), [all, shown]) in seen {
        if all > shown {
            let (severity, more) = (word(severity, style), all - shown);
            let _ = writeln!(text, "  {severity} {code}: and {more} more (--json)");
        }
    }
    text
}

fn line_of(finding: &Finding, path: &str, style: &Style) -> String {
    let severity = word(finding.severity, style);
    let place = match (finding.line, finding.column) {
        (Some(line), Some(column)) => format!("{path}:{line}:{column}"),
        (Some(line), None) => format!("{path}:{line}"),
        _ => path.to_owned(),
    };
    // Without a line the item is the place.
    let about = match (&finding.item, &finding.phase, finding.line) {
        (Some(item), Some(phase), None) => format!("{} of {}: ", escape(phase), escape(item)),
        (Some(item), None, None) => format!("{}: ", escape(item)),
        _ => String::new(),
    };
    format!(
        "  {severity} {} {place}: {about}{}",
        finding.code,
        escape(&finding.message)
    )
}

fn word(severity: Severity, style: &Style) -> String {
    match severity {
        Severity::Note => "note  ".to_owned(),
        Severity::Judged => style.paint(anstyle::AnsiColor::Yellow, "judged"),
        Severity::Refused => style.paint(anstyle::AnsiColor::Red, "refused"),
    }
}
