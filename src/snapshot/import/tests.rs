//! Whole files, each with what is made of it.

mod damage;
mod rules;
mod shapes;

use super::*;
use crate::pipeline::event::ImportedPhase;

const NOW: &str = "2026-11-23T00:00:00Z";

fn options() -> Options {
    Options {
        zone: Zone::named("America/Phoenix").unwrap(),
        now: at(NOW),
        linear: false,
        salvage: false,
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn import(text: &str) -> ImportedDocument {
    read("work_items.json", text.as_bytes(), &options()).unwrap()
}

/// `line:column message` of the error that a file is refused with.
fn refusal(bytes: &[u8]) -> String {
    refusal_with(bytes, &options())
}

fn refusal_with(bytes: &[u8], options: &Options) -> String {
    match read("work_items.json", bytes, options).unwrap_err() {
        Error::Parse {
            line,
            column,
            message,
            ..
        } => format!("{line}:{column} {message}"),
        other => other.to_string(),
    }
}

/// A file with one item that has these phases.
fn one_item(phases: &str) -> String {
    format!(r#"{{"work_items":[{{"address":"100 N Example St","phases":{phases}}}]}}"#)
}

fn phase(document: &ImportedDocument, item: usize, name: &str) -> ImportedPhase {
    let phases = document.items[item].state.open().phases;
    let mut phases = phases.into_iter();
    phases.find(|phase| phase.phase.as_str() == name).unwrap()
}

fn phase_names(document: &ImportedDocument) -> Vec<&str> {
    document
        .plan
        .phases()
        .iter()
        .map(|plan| plan.phase.as_str())
        .collect()
}

/// `code severity line:column item/phase: found -> decided`, a line each.
fn findings(document: &ImportedDocument) -> Vec<String> {
    let line = |finding: &Finding| {
        assert!(!finding.message.is_empty(), "{}", finding.code);
        let severity = match finding.severity {
            Severity::Note => "note",
            Severity::Judged => "judged",
            Severity::Refused => "refused",
        };
        let place = [finding.line, finding.column].map(Option::unwrap_or_default);
        let about = [finding.item.as_deref(), finding.phase.as_deref()];
        let about: Vec<&str> = about.into_iter().flatten().collect();
        format!(
            "{} {severity} {}:{} {}: {} -> {}",
            finding.code,
            place[0],
            place[1],
            about.join("/"),
            finding.found,
            finding.decided
        )
    };
    document.findings.iter().map(line).collect()
}

fn codes(document: &ImportedDocument) -> Vec<&'static str> {
    document
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect()
}
