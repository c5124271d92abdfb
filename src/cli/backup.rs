//! `backup`: a copy of the store that is whole, taken while writers run.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::error::Error;
use crate::store::backup::{self, BackedUp};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::Shell;
use super::receipts::count;
use super::render::{Report, Style};

pub(super) const NAME: &str = "backup";

/// Make a consistent copy of the store while writers run
///
/// The copy has the log through its last durable record, the snapshots if they can be had, and what is kept in
/// wal/imported/ and wal/quarantine/. It is verified, deep, before it gets its name; a crash leaves no half of it.
/// Put back, it needs `repair --restored --apply` first: workers may hold tokens that the copy has not issued yet.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory to make; an empty one may be there
    #[arg(value_name = "DIR")]
    target: PathBuf,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { target } = args;
    let made = backup::backup(&context.ports, context.dir(), &context.options, &target);
    let made = made.map_err(|error| match error {
        Error::StoreExists { .. } => {
            Failure::from(error).with_hint("name a new directory, or an empty one")
        }
        error => error.into(),
    })?;
    context.warn(&made.warnings);
    let (store, target) = (context.dir().display(), target.display().to_string());
    let store = store.to_string();
    let there = Shell {
        store: Some(target.clone()),
    };
    context.print.report(&BackupReport {
        made,
        store,
        target,
    });
    let restored = there.command("repair --restored --apply", &[]);
    context.print.hint(&format!(
        "before anybody works on it: {restored}, so that no token is issued twice"
    ));
    Ok(exit::DONE)
}

struct BackupReport {
    made: BackedUp,
    store: String,
    target: String,
}

impl Report for BackupReport {
    fn text(&self, _: &Style) -> String {
        let made = &self.made;
        let records = usize::try_from(made.records).unwrap_or(usize::MAX);
        let mut text = format!(
            "copied {} to {}: {} in {}, through {}, {} bytes in {}; verified\n",
            self.store,
            self.target,
            count(records, "record"),
            count(made.segments, "segment"),
            made.last_seq,
            made.bytes,
            count(usize::try_from(made.files).unwrap_or(usize::MAX), "file"),
        );
        if let Some(head) = made.head {
            let _ = writeln!(text, "head at {}: {head}", made.last_seq);
        }
        text
    }

    fn json(&self) -> Value {
        let made = &self.made;
        json!({
            "store": self.store,
            "target": self.target,
            "log": made.log,
            "records": made.records,
            "seq": made.last_seq,
            "head": made.head,
            "segments": made.segments,
            "snapshot_seq": made.snapshot_seq,
            "files": made.files,
            "bytes": made.bytes,
            "complete": made.complete,
            "warnings": made.warnings.iter()
                .map(|warning| json!({"code": warning.code, "message": warning.message}))
                .collect::<Vec<_>>(),
        })
    }
}
