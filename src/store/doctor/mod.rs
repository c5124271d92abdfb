//! Doctor: what a person should know about a directory of state, be it a store, a damaged one, or none yet.
//!
//! ```text
//!   surroundings   file system, free space, who may write
//!   verify         log, mark, locks, snapshots, our own left-overs           (a store)
//!   clock          the times of the records among themselves and against now
//!   state          times in the future, names that are nearly one, what is stuck
//!   files          edited snapshots against the log; other files that lie around
//!   unborn         what an import would meet                                 (no store yet)
//! ```
//!
//! Writes nothing. Nothing here is an error but a directory that is not there: what cannot be looked at is a finding.

mod surroundings;
mod clock;
mod state;
mod files;
mod newer;
mod unborn;

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::ports::Ports;
use crate::position::Seq;

use super::verify::{self, Extent, Verdict};
use super::{Options, View, dir};

/// What was found out.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it says what should be looked at"]
pub struct Diagnosis {
    /// Whether there is a store, in whatever state.
    pub is_store: bool,
    /// The last record that was looked at; `None` without a log that can be read.
    pub as_of: Option<Seq>,
    /// What should be looked at, and what is worth knowing.
    pub findings: Vec<Finding>,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable word for programs: `D-…`, those of `verify` (`V-…`) and of `import` (`I-…`).
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// A file, relative to the directory, with line and column where known; `.` for the directory, `clock` for the time.
    pub place: String,
    /// The item it concerns.
    pub item: Option<String>,
    /// The phase it concerns.
    pub phase: Option<String>,
    /// What, in a sentence.
    pub message: String,
    /// What to do.
    pub next: Next,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// To be looked at.
    Warning,
    /// Something acknowledged is hurt, or may be.
    Damage,
}

impl Severity {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Damage => "damage",
        }
    }
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A command of ours: its verb with flags, and its operands.
    Command(&'static str, Vec<String>),
    /// Something else, or why there is nothing to do, in words.
    Words(&'static str),
}

/// A finding that does not say yet what to do: so none goes out without.
struct Draft(Finding);

impl Finding {
    #[expect(
        clippy::new_ret_no_self,
        reason = "what it returns becomes one when it says what to do"
    )]
    fn new(code: &'static str, severity: Severity, place: impl Into<String>) -> Draft {
        Draft(Self {
            code,
            severity,
            place: place.into(),
            item: None,
            phase: None,
            message: String::new(),
            next: Next::Words(""),
        })
    }

    fn note(code: &'static str, place: impl Into<String>) -> Draft {
        Self::new(code, Severity::Note, place)
    }

    fn warning(code: &'static str, place: impl Into<String>) -> Draft {
        Self::new(code, Severity::Warning, place)
    }
}

impl Draft {
    fn about(mut self, item: Option<&str>, phase: Option<&str>) -> Self {
        let finding = &mut self.0;
        (finding.item, finding.phase) = (item.map(str::to_owned), phase.map(str::to_owned));
        self
    }

    fn saying(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    fn then(self, verb: &'static str, operands: &[&str]) -> Finding {
        let operands = operands.iter().map(|it| (*it).to_owned()).collect();
        let next = Next::Command(verb, operands);
        Finding { next, ..self.0 }
    }

    fn advice(self, words: &'static str) -> Finding {
        let next = Next::Words(words);
        Finding { next, ..self.0 }
    }
}

/// Looks at everything in and around `dir`.
///
/// # Errors
/// [`Error::NoStore`] if there is no such directory, [`Error::Io`] if it cannot be looked at.
pub fn doctor(ports: &Ports, dir: &Path, options: &Options) -> Result<Diagnosis> {
    match ports.disk.metadata(&dir.join(".")) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NoStore {
                dir: dir::absolute(dir),
                importable: false,
            });
        }
        Err(error) => return Err(Error::io("open", dir)(error)),
    }
    // Where the store lies is a finding here, and no reason to look no further.
    let options = &Options {
        allow_network: true,
        ..options.clone()
    };
    let mut findings = Vec::new();
    surroundings::look(ports, dir, &mut findings);
    let mut diagnosis = match dir::check(ports, dir, options) {
        Err(Error::NoStore { .. }) => {
            unborn::look(ports, dir, &mut findings);
            Diagnosis {
                is_store: false,
                as_of: None,
                findings,
            }
        }
        _ => of_store(ports, dir, options, findings),
    };
    // The worst first; what is alike stays in its order.
    diagnosis
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(diagnosis)
}

fn of_store(ports: &Ports, dir: &Path, options: &Options, mut findings: Vec<Finding>) -> Diagnosis {
    let verdict = match verify::verify(ports, dir, options, &Extent::default()) {
        Ok(verified) => {
            findings.extend(verified.findings.iter().map(|it| of_verify(it, dir)));
            verified.verdict
        }
        Err(error) => {
            findings.push(
                Finding::new("D-UNREADABLE", Severity::Damage, ".")
                    .saying(error.to_string())
                    .then("verify", &[]),
            );
            Verdict::Damaged
        }
    };
    let mut as_of = None;
    if verdict < Verdict::Ambiguous {
        match View::open(ports, dir, &options.without_cache()) {
            Ok(view) => {
                as_of = Some(view.last_seq());
                clock::look(ports, dir, options, &view, &mut findings);
                state::look(&view, &mut findings);
                files::behind(ports, dir, &view, &mut findings);
                files::edited(ports, dir, options, &view, &mut findings);
                newer::look(ports, dir, options, &view, &mut findings);
            }
            Err(error) => findings.push(
                Finding::new("D-UNREADABLE", Severity::Damage, ".")
                    .saying(error.to_string())
                    .then("verify", &[]),
            ),
        }
    }
    files::lying_around(ports, dir, true, &mut findings);
    Diagnosis {
        is_store: true,
        as_of,
        findings,
    }
}

fn of_verify(found: &verify::Finding, dir: &Path) -> Finding {
    let hurt = found.weight >= Verdict::Ambiguous;
    let severity = if hurt {
        Severity::Damage
    } else {
        Severity::Warning
    };
    let byte = found.byte.map(|byte| format!(":{byte}"));
    let place = format!("{}{}", found.file, byte.unwrap_or_default());
    let finding = Finding::new(found.code, severity, place)
        .about(found.items.first().map(String::as_str), None)
        .saying(found.message.clone());
    match (found.next, found.weight) {
        _ if found.code == "V-EDITED" || found.code == "V-FOREIGN" => {
            // It writes nothing, says what would be recorded, and where a file cannot be read.
            let given = dir.join(&found.file).display().to_string();
            finding.then("import --dry-run", &[&given])
        }
        (_, Verdict::Ambiguous | Verdict::Damaged) => finding.then("repair", &[]),
        (Some("phaselog compact"), _) => finding.then("compact", &[]),
        (_, Verdict::Torn) | (Some("phaselog resume"), _) => finding.then("resume", &[]),
        (Some(words), _) if !words.starts_with("phaselog ") => finding.advice(words),
        _ => match found.code {
            "V-LEFT-OVER" => finding.advice("nothing: it goes with the next one of its kind"),
            "V-SEALED" => finding.advice("nothing: what was cut there was never acknowledged"),
            "V-LOST" => finding.advice("nothing more: a repair has given it up"),
            "V-MARK" => finding.advice("nothing, if the next record mends it; else move it away"),
            "V-LOCK" | "V-NAME" => finding.advice("move it away"),
            "V-NEWER" => finding.advice("install the version that wrote it"),
            "V-SNAPSHOT" => finding.then("compact", &[]),
            _ => finding.then("verify", &[]),
        },
    }
}
