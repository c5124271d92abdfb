//! The findings of an import, as lines and as rows.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::snapshot::import::{Finding, Severity};

use super::super::render::{Style, escape, to_value};

/// Findings of one code and one severity that text prints.
pub(super) const SHOWN_OF_A_CODE: usize = 10;

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
