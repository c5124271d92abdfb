//! `diff`: what changed between two moments.

use serde_json::{Value, json};

use crate::pipeline::enrichment::FieldChange;
use crate::pipeline::listing::{self, Change, ExtractionMoved};
use crate::pipeline::{ExtractionStatus, ItemId, Json, Status};
use crate::position::Seq;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::moment;
use super::render::{Format, Report, Style, rows, verbatim};

pub(super) const NAME: &str = "diff";

/// Show which phases and which data changed between two moments
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The earlier moment: a time, an age (`2h ago`), or @SEQ
    #[arg(value_name = "A", allow_hyphen_values = true)]
    before: String,
    /// The later moment
    #[arg(value_name = "B", allow_hyphen_values = true)]
    after: String,
}

struct DiffReport {
    from_seq: Seq,
    to_seq: Seq,
    changes: Vec<Change>,
    data: Vec<(ItemId, FieldChange)>,
    extraction: Vec<ExtractionMoved>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { before, after } = args;
    let before = moment::past(context, &before)?.state;
    let after = moment::past(context, &after)?.state;
    let changes = listing::changes(&before, &after);
    let data = listing::data_changes(&before, &after);
    let extraction = listing::extraction_changes(&before, &after);
    if context.print.format == Format::Text {
        let word = |status: Option<Status>| status.map_or("-", Status::as_str);
        let fields = changes.iter().map(|change| {
            vec![
                change.item.as_str(),
                change.phase.as_str(),
                word(change.from),
                word(change.to),
            ]
        });
        let mut lines = rows(fields, false);
        let value = |value: &Option<Json>| value.as_ref().map_or("-".to_owned(), Json::to_string);
        for (item, change) in &data {
            // No phase begins with a dot.
            let field = format!(".{}", change.field);
            let (old, new) = (value(&change.old), value(&change.new));
            lines.extend(rows([vec![item.as_str(), &field, &old, &new]], false));
        }
        let word = |status: Option<ExtractionStatus>| status.map_or("-", ExtractionStatus::as_str);
        let moved = extraction
            .iter()
            .map(|(item, from, to)| vec![item.as_str(), ":extraction", word(*from), word(*to)]);
        lines.extend(rows(moved, false));
        context.print.data(&lines);
    } else {
        let (from_seq, to_seq) = (before.last_seq, after.last_seq);
        context.print.report(&DiffReport {
            from_seq,
            to_seq,
            changes,
            data,
            extraction,
        });
    }
    Ok(exit::DONE)
}

impl Report for DiffReport {
    fn text(&self, _: &Style) -> String {
        String::new()
    }

    fn json(&self) -> Value {
        let changes = self.changes.iter().map(|change| {
            json!({"item": change.item, "phase": change.phase, "from": change.from, "to": change.to})
        });
        let value = |value: &Option<Json>| value.as_ref().map(|it| verbatim(it.as_str()));
        let data = self.data.iter().map(|(item, change)| {
            json!({
                "item": item, "field": change.field, "from": value(&change.old), "to": value(&change.new),
                "was_there": change.old.is_some(), "is_there": change.new.is_some(),
            })
        });
        let extraction = self
            .extraction
            .iter()
            .map(|(item, from, to)| json!({"item": item, "from": from, "to": to}));
        json!({
            "from_seq": self.from_seq,
            "to_seq": self.to_seq,
            "changes": changes.collect::<Vec<_>>(),
            "data": data.collect::<Vec<_>>(),
            "extraction": extraction.collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("changes")
    }
}
