//! The receipt of a command that writes: what was recorded, or why nothing needed to be.

use serde_json::{Value, json};

use crate::pipeline::command::Unchanged;
use crate::pipeline::{
    Command, Event, PhasePlan, Record, Report as PhaseReport, ReportKind, Status, limits_left_out,
};
use crate::position::Seq;
use crate::store::Receipt;
use crate::store::create::Created;

use super::context::Context;
use super::data::FoundArgs;
use super::exit;
use super::failure::Failure;
use super::render::{Format, Report, Style, escape};
use super::values::{OpArg, Target, TokenArg};

/// A receipt with what the words need beside it.
pub(super) struct ReceiptReport {
    pub(super) receipt: Receipt,
    /// Items given to `add` that were there already.
    pub(super) existing: usize,
    /// The store, as it was named.
    pub(super) store: String,
}

impl Report for ReceiptReport {
    fn text(&self, _: &Style) -> String {
        match &self.receipt {
            Receipt::Recorded(records) => self.recorded(records) + "\n",
            Receipt::Unchanged(unchanged) => {
                format!("unchanged: {}\n", words_of_unchanged(unchanged))
            }
        }
    }

    fn json(&self) -> Value {
        match &self.receipt {
            Receipt::Recorded(records) if is_group(records) => json!({
                "recorded": true,
                "first_seq": records.first().map(|record| record.seq),
                "seq": records.last().map(|record| record.seq),
                "event": records[0].event.kind(),
                "items": items_in(records),
                "existing": self.existing,
                "store": self.store,
            }),
            Receipt::Recorded(records) => {
                let record = &records[0];
                let (token, late) = token_of(record);
                json!({
                    "recorded": true, "seq": record.seq, "event": record.event.kind(),
                    "item": record.event.item(), "phase": record.event.phase(),
                    "token": token, "late": late,
                })
            }
            Receipt::Unchanged(unchanged) => {
                let (event, item, phase) = match unchanged {
                    Unchanged::Phase {
                        item,
                        phase,
                        status,
                        ..
                    } => {
                        let event = match status {
                            Status::Completed => "completed",
                            Status::Failed => "failed",
                            Status::Skipped => "skipped",
                            Status::Pending | Status::InProgress => "retried",
                        };
                        (event, Some(item), Some(phase))
                    }
                    Unchanged::Operation {
                        item, phase, event, ..
                    } => (event.as_str(), Some(item), Some(phase)),
                    Unchanged::NothingFailed { item } => ("retried", Some(item), None),
                    Unchanged::NoFailure => ("retried", None, None),
                    Unchanged::Plan => ("planned", None, None),
                    Unchanged::Data { item } => ("enriched", Some(item), None),
                    Unchanged::Extraction { item, .. } => ("extracted", Some(item), None),
                    Unchanged::Hold {
                        item,
                        since: Some(_),
                    } => ("held", Some(item), None),
                    Unchanged::Hold { item, since: None } => ("unheld", Some(item), None),
                    Unchanged::Items { existing } => {
                        return json!({
                            "recorded": false, "first_seq": null, "seq": null, "event": "added",
                            "items": 0, "existing": existing, "store": self.store,
                        });
                    }
                };
                json!({
                    "recorded": false, "seq": null, "event": event, "item": item, "phase": phase,
                    "token": null, "late": false,
                })
            }
        }
    }
}

impl ReceiptReport {
    fn recorded(&self, records: &[Record]) -> String {
        let (first, last) = (&records[0], &records[records.len() - 1]);
        let seqs = if first.seq == last.seq {
            first.seq.to_string()
        } else {
            format!("{}..{}", first.seq, last.seq)
        };
        let kind = first.event.kind();
        match &first.event {
            Event::Added { .. } => {
                let added = count(records.len(), "item");
                let there = match self.existing {
                    0 => String::new(),
                    1 => ", 1 was there".to_owned(),
                    several => format!(", {several} were there"),
                };
                format!("recorded {seqs}: added {added}{there}")
            }
            Event::Planned { phases } => {
                format!("recorded {seqs}: planned {}", count(phases.len(), "phase"))
            }
            event if items_in(records) > 1 => {
                let phases = count(records.len(), "phase");
                format!(
                    "recorded {seqs}: {} {phases} of {} items",
                    event.kind(),
                    items_in(records)
                )
            }
            event => {
                let item = escape(event.item().map_or("", |item| item.as_str()));
                let phases: Vec<&str> = records
                    .iter()
                    .filter_map(|record| record.event.phase())
                    .map(crate::pipeline::Phase::as_str)
                    .collect();
                let late = if token_of(first).1 { " (late)" } else { "" };
                if phases.is_empty() {
                    format!("recorded {seqs}: {kind} {item}")
                } else {
                    format!(
                        "recorded {seqs}: {kind} {} of {item}{late}",
                        phases.join(", ")
                    )
                }
            }
        }
    }
}

fn items_in(records: &[Record]) -> usize {
    let items: std::collections::HashSet<_> =
        records.iter().map(|record| record.event.item()).collect();
    items.len()
}

fn is_group(records: &[Record]) -> bool {
    records.len() > 1 || matches!(records[0].event, Event::Added { .. })
}

fn words_of_unchanged(unchanged: &Unchanged) -> String {
    match unchanged {
        Unchanged::Phase {
            item,
            phase,
            status,
            since,
        } => {
            let since = if *since == Seq::NONE {
                String::new()
            } else {
                format!(" since {since}")
            };
            format!(
                "{phase} of {} is {}{since}",
                escape(item.as_str()),
                status.as_str()
            )
        }
        Unchanged::Operation {
            item,
            phase,
            event,
            id,
            seq,
        } => {
            let item = escape(item.as_str());
            format!("{event} {phase} of {item} was recorded as {seq} under op-id {id}")
        }
        Unchanged::NoFailure => "nothing has failed".to_owned(),
        Unchanged::Plan => "that plan is in force".to_owned(),
        Unchanged::NothingFailed { item } => {
            format!("no phase of {} has failed", escape(item.as_str()))
        }
        Unchanged::Data { item } => {
            format!("the data of {} is so already", escape(item.as_str()))
        }
        Unchanged::Extraction {
            item,
            status,
            since,
        } => {
            let (item, status) = (escape(item.as_str()), status.as_str());
            format!("the extraction of {item} is {status} since {since}")
        }
        Unchanged::Hold {
            item,
            since: Some(since),
        } => {
            format!("{} is held since {since}", escape(item.as_str()))
        }
        Unchanged::Hold { item, since: None } => format!("{} is not held", escape(item.as_str())),
        Unchanged::Items { existing: 1 } => "the item was there".to_owned(),
        Unchanged::Items { existing } => format!("all {existing} items were there"),
    }
}

/// The token that a record carries or grants, and whether the report was late.
fn token_of(record: &Record) -> (Option<Seq>, bool) {
    match &record.event {
        Event::Started { .. } => (Some(record.seq), false),
        Event::Completed { token, late, .. }
        | Event::Failed { token, late, .. }
        | Event::Skipped { token, late, .. } => (*token, *late),
        Event::Released { token, .. } | Event::Reset { token, .. } => (*token, false),
        _ => (None, false),
    }
}

/// `1 item`, `2 items`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// A store that was just made, or grew by an import.
pub(super) struct CreatedReport {
    pub(super) created: Created,
    pub(super) words: String,
    pub(super) store: String,
}

impl Report for CreatedReport {
    fn text(&self, _: &Style) -> String {
        format!(
            "recorded {}..{}: {}\n",
            self.created.first, self.created.last, self.words
        )
    }

    fn json(&self) -> Value {
        json!({
            "recorded": true,
            "first_seq": self.created.first,
            "seq": self.created.last,
            "event": "added",
            "items": self.created.items,
            "existing": 0,
            "store": self.store,
        })
    }
}

/// Submits a command and prints its receipt.
pub(super) fn submit_command(context: &mut Context<'_>, command: &Command) -> Result<u8, Failure> {
    submit(context, command, 0, false)
}

/// Submits another plan, prints its receipt, and says which limits it left out.
pub(super) fn submit_plan(
    context: &mut Context<'_>,
    phases: Vec<PhasePlan>,
) -> Result<u8, Failure> {
    let left_out = limits_left_out(&context.look_again()?.state().plan, &phases);
    let done = submit_command(context, &Command::SetPlan { phases })?;
    for line in left_out {
        context.print.warning(&line);
    }
    Ok(done)
}

/// Submits `add`, whose receipt counts the items that were there.
pub(super) fn submit_items(
    context: &mut Context<'_>,
    command: &Command,
    given: usize,
) -> Result<u8, Failure> {
    submit(context, command, given, false)
}

/// Submits a start: the token goes to standard output, the receipt aside.
pub(super) fn submit_start(context: &mut Context<'_>, command: &Command) -> Result<u8, Failure> {
    submit(context, command, 0, true)
}

/// Submits a report, with the token of the arguments or of the environment.
pub(super) fn submit_report(
    context: &mut Context<'_>,
    target: Target,
    token: &TokenArg,
    kind: ReportKind,
) -> Result<u8, Failure> {
    let (op, found) = (OpArg::default(), FoundArgs::default());
    submit_report_once(context, target, token, op, found, kind)
}

/// As [`submit_report`], with what was found out, applied once under the id that is given, if one is.
pub(super) fn submit_report_once(
    context: &mut Context<'_>,
    target: Target,
    token: &TokenArg,
    op: OpArg,
    found: FoundArgs,
    kind: ReportKind,
) -> Result<u8, Failure> {
    let token = token.resolve(&target)?;
    let (data, extraction) = found.read(context)?;
    let Target { item, phase } = target;
    let report = Command::Report(PhaseReport {
        item,
        phase,
        token,
        kind,
        op: op.op_id,
        data,
        extraction,
    });
    submit_command(context, &report)
}

fn submit(
    context: &mut Context<'_>,
    command: &Command,
    given: usize,
    token_alone: bool,
) -> Result<u8, Failure> {
    let mut store = context.brief()?;
    let receipt = match store.submit(command) {
        Ok(receipt) => receipt,
        Err(error) => {
            context.warn(&store.take_warnings());
            return Err(error.into());
        }
    };
    let existing = given.saturating_sub(receipt.records().len());
    let token = receipt
        .seq()
        .filter(|_| token_alone && context.print.format == Format::Text);
    let report = ReceiptReport {
        receipt,
        existing,
        store: context.dir().display().to_string(),
    };
    match token {
        Some(token) => {
            context.print.line(&token.to_string());
            let receipt = report.text(&context.print.style);
            context.print.aside(receipt.trim_end());
        }
        None => context.print.report(&report),
    }
    context.after_brief_write(&mut store);
    Ok(exit::DONE)
}
