//! `doctor`: everything about a directory of state that a person should look at, and what to do about each.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::store::doctor::{self, Diagnosis, Finding, Next, Severity};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::Shell;
use super::receipts::count;
use super::render::{Format, Report, Style, escape};

pub(super) const NAME: &str = "doctor";

/// Findings of one code that text prints.
const SHOWN_OF_A_CODE: usize = 10;

/// Look at store, clock, file system and files, and say what to do about what is odd; nothing is written
#[derive(Debug, clap::Args)]
#[command(
    after_help = "One line a finding: SEVERITY, CODE, PLACE, MESSAGE, WHAT TO DO, with tabs between them. Severities: \
                  note (worth knowing), warning (look at it), damage. Exit status 3 if there is more than notes.\n\
                  It also looks at a directory that is no store yet, and says what an import would meet there."
)]
pub(super) struct Args {}

struct DoctorReport<'a> {
    found: Diagnosis,
    shell: &'a Shell,
    store: String,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args {} = args;
    let found = doctor::doctor(&context.ports, context.dir(), &context.options)?;
    let shell = context.print.shell.clone();
    let report = DoctorReport {
        found,
        shell: &shell,
        store: context.dir().display().to_string(),
    };
    context.print.report(&report);
    if context.print.format == Format::Text {
        context.print.aside(&report.summary());
    }
    let worst = report.found.findings.iter().map(|it| it.severity).max();
    Ok(match worst {
        None | Some(Severity::Note) => exit::DONE,
        Some(_) => exit::FINDINGS,
    })
}

impl DoctorReport<'_> {
    fn counted(&self, severity: Severity) -> usize {
        let findings = self.found.findings.iter();
        findings.filter(|it| it.severity == severity).count()
    }

    fn summary(&self) -> String {
        let of = |severity: Severity| count(self.counted(severity), severity.as_str());
        let damage = self.counted(Severity::Damage);
        let (warnings, notes) = (of(Severity::Warning), of(Severity::Note));
        let (store, what) = (
            &self.store,
            if self.found.is_store {
                ""
            } else {
                " (no store yet)"
            },
        );
        format!("{store}{what}: {damage} damage, {warnings}, {notes}")
    }

    fn next(&self, finding: &Finding) -> String {
        match &finding.next {
            Next::Words(words) => (*words).to_owned(),
            Next::Command(verb, operands) => {
                let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
                self.shell.command(verb, &operands)
            }
        }
    }

    fn line(&self, finding: &Finding) -> String {
        let about = match (&finding.item, &finding.phase) {
            (Some(item), Some(phase)) => format!("{phase} of {item}: "),
            (Some(item), None) => format!("{item}: "),
            _ => String::new(),
        };
        let fields = [
            finding.severity.as_str(),
            finding.code,
            &escape(&finding.place),
            &escape(&format!("{about}{}", finding.message)),
            &escape(&self.next(finding)),
        ];
        fields.join("\t").trim_end().to_owned()
    }
}

impl Report for DoctorReport<'_> {
    fn text(&self, _: &Style) -> String {
        let mut of_code: HashMap<&str, usize> = HashMap::new();
        for finding in &self.found.findings {
            *of_code.entry(finding.code).or_default() += 1;
        }
        let (mut text, mut shown) = (String::new(), HashMap::new());
        for finding in &self.found.findings {
            let seen: &mut usize = shown.entry(finding.code).or_default();
            *seen += 1;
            if *seen <= SHOWN_OF_A_CODE {
                let _ = writeln!(text, "{}", self.line(finding));
            } else if *seen == SHOWN_OF_A_CODE + 1 {
                let more = of_code[finding.code] - SHOWN_OF_A_CODE;
                let (severity, code) = (finding.severity.as_str(), finding.code);
                let _ = writeln!(text, "{severity}\t{code}\t\tand {more} more (--json)");
            }
        }
        text
    }

    fn json(&self) -> Value {
        let findings = self.found.findings.iter().map(|finding| {
            json!({
                "code": finding.code,
                "severity": finding.severity.as_str(),
                "place": finding.place,
                "item": finding.item,
                "phase": finding.phase,
                "message": finding.message,
                "next": self.next(finding),
            })
        });
        json!({
            "store": self.store,
            "is_store": self.found.is_store,
            "as_of_seq": self.found.as_of,
            "counts": {
                "note": self.counted(Severity::Note),
                "warning": self.counted(Severity::Warning),
                "damage": self.counted(Severity::Damage),
            },
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("findings")
    }
}
