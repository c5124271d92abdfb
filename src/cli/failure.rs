//! What a failed command says and how it ends: code, exit status, hints, and the JSON of the same.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::Error;
use crate::pipeline::Rejection;

use super::exit;
use super::hints::{self, Shell};

/// A command that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// Nobody named the store: the message says that it is the default.
    pub(super) store_is_default: bool,
    /// Where in a file, for errors that name a line.
    hint: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            store_is_default: false,
            hint: None,
        }
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Error::from(rejection).into()
    }
}

impl Failure {
    /// A misuse of the command line.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Error::Usage {
            message: message.into(),
        }
        .into()
    }

    /// Replaces the hint that goes with this kind of error.
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The stable code and the exit status that goes with it.
    pub(super) fn code(&self) -> (&'static str, u8) {
        match &self.error {
            Error::StoreExists { .. } => ("E-STORE-EXISTS", 1),
            Error::Parse { .. } => ("E-PARSE", 1),
            Error::Io { .. } => ("E-IO", 1),
            Error::TooLarge { .. } | Error::TooLargeAt { .. } => ("E-TOO-LARGE", 1),
            Error::NetworkFileSystem { .. } => ("E-NETWORK-FS", 1),
            Error::Usage { .. } => ("E-USAGE", 2),
            Error::Edited { .. } => ("E-EDITED", 5),
            Error::UnknownSeq { .. } => ("E-UNKNOWN-SEQ", 6),
            Error::Damaged(_) => ("E-DAMAGED", 7),
            Error::AmbiguousTail(_) => ("E-AMBIGUOUS-TAIL", 7),
            Error::OtherLog { .. } | Error::NoSuchPlace { .. } => ("E-OTHER-LOG", 7),
            Error::NoStore { .. } => ("E-NO-STORE", 10),
            Error::LockTimeout { .. } => ("E-LOCK-TIMEOUT", 11),
            Error::NewerFormat { .. } => ("E-NEWER-FORMAT", 12),
            Error::NotRecorded { .. } | Error::NotAcknowledged { .. } | Error::LockLost { .. } => {
                ("E-NOT-DURABLE", 13)
            }
            Error::Poisoned { .. } => ("E-POISONED", 13),
            Error::Rejected(rejection) => match **rejection {
                Rejection::StaleToken { .. } => ("E-STALE-TOKEN", 5),
                Rejection::InProgress { .. } | Rejection::PlanInUse { .. } => ("E-IN-PROGRESS", 5),
                Rejection::UnknownItem { .. } => ("E-UNKNOWN-ITEM", 6),
                Rejection::AmbiguousItem { .. } => ("E-AMBIGUOUS", 6),
                Rejection::UnknownPhase { .. } => ("E-UNKNOWN-PHASE", 6),
                Rejection::Transition { .. }
                | Rejection::NewData { .. }
                | Rejection::PlanChange { .. } => ("E-TRANSITION", 8),
                Rejection::Needs { .. } => ("E-NEEDS", 8),
                Rejection::Held { .. } => ("E-HELD", 8),
                Rejection::TooDeep { .. } => ("E-TOO-LARGE", 1),
                Rejection::OtherOperation { .. } | Rejection::OtherAddress { .. } => ("E-USAGE", 2),
                Rejection::NothingReady { .. } => ("E-NOTHING-READY", 4),
                Rejection::Drained { .. } => ("E-DRAINED", 9),
                Rejection::NotAToken { .. } => ("E-UNKNOWN-SEQ", 6),
            },
        }
    }

    /// The message, in one line.
    pub(super) fn message(&self) -> String {
        match &self.error {
            Error::NoStore { .. } if self.store_is_default => format!("{} (default)", self.error),
            Error::Io {
                action,
                path,
                source,
            } if hints::is_symlink(source) => {
                format!(
                    "cannot {action} {}: it is a symbolic link, and is not followed",
                    path.display()
                )
            }
            error => error.to_string(),
        }
    }

    /// What to do next.
    pub(super) fn hint(&self, shell: &Shell) -> String {
        self.hint
            .clone()
            .unwrap_or_else(|| hints::hint(&self.error, shell))
    }

    /// The same as JSON; every key is there.
    pub(super) fn to_json(&self, shell: &Shell) -> Value {
        let (code, exit) = self.code();
        let mut place = (
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
        );
        let (seq, file, byte, line, column) = (
            &mut place.0,
            &mut place.1,
            &mut place.2,
            &mut place.3,
            &mut place.4,
        );
        let path = |path: &Path| json!(path.display().to_string());
        match &self.error {
            Error::Damaged(damage) | Error::AmbiguousTail(damage) => {
                (*seq, *file, *byte) = (
                    json!(damage.seq),
                    path(&damage.file),
                    json!(damage.offset.get()),
                );
            }
            Error::Parse {
                path: at,
                line: l,
                column: c,
                ..
            }
            | Error::TooLargeAt {
                path: at,
                line: l,
                column: c,
                ..
            } => {
                *file = path(at);
                (*line, *column) = (none_if_zero(*l), none_if_zero(*c));
            }
            Error::NewerFormat {
                file: at, seq: s, ..
            } => (*file, *seq) = (path(at), json!(s)),
            Error::OtherLog { file: at, .. }
            | Error::NoSuchPlace { file: at, .. }
            | Error::Edited { file: at, .. }
            | Error::Io { path: at, .. }
            | Error::LockTimeout { path: at, .. } => *file = path(at),
            Error::NotAcknowledged { seq: s, .. } => *seq = json!(s),
            Error::UnknownSeq { seq: s, .. } => *seq = json!(s),
            Error::Rejected(rejection) => *seq = json!(rejection_seq(rejection)),
            _ => {}
        }
        let rejection = match &self.error {
            Error::Rejected(rejection) => Some(&**rejection),
            _ => None,
        };
        json!({
            "schema_version": 1,
            "code": code,
            "message": self.message(),
            "exit": exit,
            "item": rejection.and_then(Rejection::item),
            "phase": rejection.and_then(Rejection::phase),
            "seq": place.0, "file": place.1, "byte": place.2, "line": place.3, "column": place.4,
            "hint": self.hint(shell),
            "retryable": matches!(exit, 4 | 11 | 13),
            "outcome": match &self.error {
                Error::NotRecorded { .. } | Error::Poisoned { written: false, .. } => Some("none"),
                Error::NotAcknowledged { .. }
                | Error::LockLost { .. }
                | Error::Poisoned { written: true, .. } => Some("unknown"),
                _ => None,
            },
            "left": match rejection {
                Some(Rejection::Drained { left }) => json!(left),
                _ => Value::Null,
            },
        })
    }
}

fn none_if_zero(count: usize) -> Value {
    if count == 0 {
        Value::Null
    } else {
        json!(count)
    }
}

fn rejection_seq(rejection: &Rejection) -> Option<u64> {
    match rejection {
        Rejection::StaleToken { seq, .. } => seq.map(crate::position::Seq::get),
        Rejection::InProgress { since, .. }
        | Rejection::PlanInUse { since, .. }
        | Rejection::Transition { since, .. }
        | Rejection::NewData { since, .. }
        | Rejection::Held { since, .. } => Some(since.get()).filter(|&seq| seq > 0),
        Rejection::NotAToken { token: seq, .. } | Rejection::OtherOperation { seq, .. } => {
            Some(seq.get())
        }
        _ => None,
    }
}

/// Prints what clap has to say, as text or JSON, and gives the exit status.
pub(super) fn usage(
    error: &clap::Error,
    args: &[OsString],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    if !error.use_stderr() {
        // `--help` and `--version` are no errors.
        let _ = write!(out, "{}", error.render());
        return 0;
    }
    if args.iter().any(|arg| arg == "claim") && args.iter().any(|arg| arg == "--export") {
        let _ = writeln!(out, "{}", exit::shell(2));
    }
    if args.iter().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        // The first paragraph, in one line: what is missing stands in lines of its own.
        let message: Vec<&str> = text
            .lines()
            .take_while(|line| !line.is_empty())
            .map(str::trim)
            .collect();
        let message = message.join(" ");
        let failure = Failure::usage(message.strip_prefix("error: ").unwrap_or(&message))
            .with_hint("phaselog --help");
        let _ = writeln!(err, "{}", failure.to_json(&Shell::default()));
    } else {
        let _ = write!(err, "{}", error.render());
    }
    2
}
