//! `compact`: write the snapshots now.

use serde_json::{Value, json};

use crate::error::Error;
use crate::snapshot::set::NotAFile;
use crate::store::Compacted;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::quote;
use super::receipts::count;
use super::render::{Report, Style};

pub(super) const NAME: &str = "compact";

/// Write the snapshots now
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write them even over a file that another program changed; a copy of it is kept in wal/quarantine/
    #[arg(long)]
    discard_edits: bool,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let bar = context.bar("writing the snapshots");
    let mut store = context.store()?;
    let compacted = store.compact(args.discard_edits);
    drop(bar);
    context.warn(&store.take_warnings());
    context
        .print
        .report(&CompactReport(compacted.map_err(explained)?));
    Ok(exit::DONE)
}

/// What helps where no option of this command does.
fn explained(error: Error) -> Failure {
    let hint = match &error {
        Error::Io { path, .. } if NotAFile::is(&error) => {
            let path = quote(&path.display().to_string());
            Some(format!(
                "move {path} away, then repeat the command: the log has everything"
            ))
        }
        _ => None,
    };
    match hint {
        Some(hint) => Failure::from(error).with_hint(hint),
        None => error.into(),
    }
}

struct CompactReport(Compacted);

impl Report for CompactReport {
    fn text(&self, _: &Style) -> String {
        match self.0 {
            Compacted::Written {
                seq,
                covers,
                bytes,
                segments,
            } => format!(
                "recorded {seq}: compacted through {covers}, {bytes} bytes, {}\n",
                count(segments, "segment")
            ),
            Compacted::Unchanged { covers } => {
                format!("unchanged: the snapshots stand for everything through {covers}\n")
            }
        }
    }

    fn json(&self) -> Value {
        match self.0 {
            Compacted::Written {
                seq,
                covers,
                bytes,
                segments,
            } => json!({
                "recorded": true, "seq": seq, "event": "compacted",
                "covers_seq": covers, "bytes": bytes, "segments": segments,
            }),
            Compacted::Unchanged { covers } => json!({
                "recorded": false, "seq": null, "event": "compacted",
                "covers_seq": covers, "bytes": null, "segments": null,
            }),
        }
    }
}
