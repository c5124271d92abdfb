//! `compact`: write the snapshots now.

use serde_json::{Value, json};

use crate::store::Compacted;

use super::context::Context;
use super::exit;
use super::failure::Failure;
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
    let mut store = context.store()?;
    let compacted = store.compact(args.discard_edits);
    context.warn(&store.take_warnings());
    context.print.report(&CompactReport(compacted?));
    Ok(exit::DONE)
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
