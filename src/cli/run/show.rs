//! What `run` shows: what the command prints, the receipt of each report, and a bar on a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::error::Error;
use crate::pipeline::command::Unchanged;
use crate::pipeline::rejection::Left;
use crate::pipeline::{Event, Record, Rejection, ReportKind, Status, ready};
use crate::ports::{Ending, Stream};
use crate::store::{Receipt, Store, Warning};
use crate::worker::{Order, Outcome, Piece, Stop, Watcher};

use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::hints::quote;
use crate::cli::receipts::ReceiptReport;
use crate::cli::render::{Format, Report, Style, escape};
use crate::cli::resume::tell_reset;

/// Shows what happens while `run` is at work.
pub(super) struct Show<'a, 'c> {
    context: &'a mut Context<'c>,
    all: bool,
    worker: Option<String>,
    bar: Option<ProgressBar>,
    counts: Counts,
    /// For the one document of `--json --all`.
    outcomes: Vec<Value>,
    /// The exit status that the last outcome asks for.
    pub(super) status: u8,
    /// Why the last report was not taken.
    pub(super) failure: Option<Failure>,
}

/// How many pieces of work came to what.
#[derive(Default, serde::Serialize)]
struct Counts {
    completed: usize,
    failed: usize,
    released: usize,
    skipped: usize,
    refused: usize,
    unreported: usize,
}

impl<'a, 'c> Show<'a, 'c> {
    pub(super) fn new(context: &'a mut Context<'c>, order: &Order, store: &Store) -> Self {
        let on_terminal = context.print.format == Format::Text
            && !context.print.is_quiet()
            && std::io::stderr().is_terminal();
        let bar = (order.all && on_terminal).then(|| bar(open(store, order)));
        Self {
            context,
            all: order.all,
            worker: order.worker.clone(),
            bar,
            counts: Counts::default(),
            outcomes: Vec::new(),
            status: exit::DONE,
            failure: None,
        }
    }

    /// Writes while the bar is out of the way.
    fn beside_bar(&mut self, write: impl FnOnce(&mut Context<'c>)) {
        let context = &mut *self.context;
        match &self.bar {
            Some(bar) => bar.suspend(|| write(context)),
            None => write(context),
        }
    }

    /// After the last outcome: with `--all` the sum of it.
    pub(super) fn finish(&mut self, stop: &Stop) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if !self.all {
            return;
        }
        let left = match stop {
            Stop::Nothing(Rejection::Drained { left }) => Some(*left),
            _ => None,
        };
        let sum = Sum {
            counts: &self.counts,
            left,
            outcomes: std::mem::take(&mut self.outcomes),
        };
        match self.context.print.format {
            Format::Text => {
                let text = sum.text(&self.context.print.style);
                self.context.print.aside(text.trim_end());
            }
            Format::Json => self.context.print.report(&sum),
            // Each element was printed when it was there.
            Format::JsonLines => {}
        }
    }

    /// The outcome as JSON; every key is there.
    fn element(
        &self,
        piece: &Piece,
        ending: Option<Ending>,
        reported: &ReportKind,
        answer: &Result<Receipt, Failure>,
    ) -> Value {
        let record = answer
            .as_ref()
            .ok()
            .and_then(|answer| answer.records().first());
        let error = match reported {
            ReportKind::Fail { error, .. } => Some(error.as_str()),
            _ => None,
        };
        let (exit_status, signal) = match ending {
            Some(Ending::Exited(status)) => (Some(status), None),
            Some(Ending::Killed(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        let code = answer.as_ref().err().map(|failure| failure.code().0);
        json!({
            "outcome": word(reported, answer), "recorded": record.is_some(), "seq": record.map(|record| record.seq),
            "item": piece.item, "phase": piece.phase, "token": piece.token, "attempt": piece.attempt,
            "worker": self.worker, "exit_status": exit_status, "signal": signal, "error": error,
            "late": record.is_some_and(is_late), "code": code,
        })
    }
}

impl Watcher for Show<'_, '_> {
    fn wrote(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // Where standard output is ours, so that programs can read it, the command's goes aside.
        let aside = stream == Stream::Err || self.context.print.format != Format::Text;
        self.beside_bar(|context| {
            if aside {
                context.print.pass(bytes);
            } else {
                context.print.data(bytes);
                context.print.flush();
            }
        });
    }

    fn handed_back(&mut self, resets: &[Record]) {
        if !resets.is_empty() {
            self.beside_bar(|context| {
                for reset in resets {
                    tell_reset("Reset", &reset.event, context);
                }
            });
        }
    }

    fn started(&mut self, piece: &Piece) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!(
                "{} of {}",
                piece.phase,
                escape(piece.item.as_str())
            ));
        }
    }

    fn ended(&mut self, outcome: Outcome) {
        let Outcome {
            piece,
            ending,
            reported,
            answer,
        } = outcome;
        let answer = answer.map_err(|error| self.failure(&piece, &reported, error));
        let element = self.element(&piece, ending, &reported, &answer);
        let word = word(&reported, &answer);
        let (count, status) = match word {
            "completed" => (&mut self.counts.completed, exit::DONE),
            "failed" => (&mut self.counts.failed, exit::FAILED),
            "released" => (&mut self.counts.released, exit::NOT_NOW),
            "skipped" => (&mut self.counts.skipped, exit::DONE),
            "refused" => (&mut self.counts.refused, exit::FAILED),
            _ => (&mut self.counts.unreported, exit::FAILED),
        };
        *count += 1;
        self.status = status;
        match (self.context.print.format, self.all) {
            (Format::Text, _) => {}
            (Format::Json, true) => self.outcomes.push(element),
            (_, all) => self.context.print.document(element, all),
        }
        if let Some(bar) = self.bar.as_ref().filter(|_| word != "released") {
            bar.inc(1);
        }
        match answer {
            Ok(receipt) => {
                let is_news = word != "completed" || !self.context.print.is_quiet();
                if self.context.print.format == Format::Text && is_news {
                    let line = receipt_line(receipt, ending, &reported);
                    self.beside_bar(|context| context.print.aside(&line));
                }
            }
            Err(failure) => {
                if self.all {
                    self.beside_bar(|context| {
                        context.print.fail(&failure);
                    });
                }
                self.failure = Some(failure);
            }
        }
        self.context.print.flush();
    }

    fn noticed(&mut self, warning: &Warning) {
        self.beside_bar(|context| context.print.warning(&warning.message));
    }
}

impl Show<'_, '_> {
    /// A report that was not taken; one that was not even refused may be made by hand.
    fn failure(&self, piece: &Piece, reported: &ReportKind, error: Error) -> Failure {
        let refused = matches!(error, Error::Rejected(_));
        let failure = Failure::from(error);
        if refused {
            return failure;
        }
        let flags = match reported {
            ReportKind::Fail { error, .. } => {
                let line = error.lines().next().unwrap_or_default();
                format!(" --error {}", quote(line))
            }
            _ => String::new(),
        };
        let verb = format!("{} --token {}{flags}", reported.verb(), piece.token);
        let operands = [piece.item.as_str(), piece.phase.as_str()];
        failure.with_hint(self.context.print.shell.command(&verb, &operands))
    }
}

/// What it came to, in a word.
fn word(reported: &ReportKind, answer: &Result<Receipt, Failure>) -> &'static str {
    match answer {
        // It has reported by itself.
        Ok(Receipt::Unchanged(Unchanged::Phase { status, .. })) => match status {
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Skipped => "skipped",
            Status::Pending | Status::InProgress => "released",
        },
        Ok(_) => reported.event_kind(),
        Err(failure) if matches!(failure.error, Error::Rejected(_)) => "refused",
        Err(_) => "unreported",
    }
}

fn receipt_line(receipt: Receipt, ending: Option<Ending>, reported: &ReportKind) -> String {
    let receipt = ReceiptReport {
        receipt,
        existing: 0,
        store: String::new(),
    };
    let style = Style {
        color: false,
        zone: crate::cli::times::Show::Utc,
    };
    let why = match (ending, reported) {
        // The data was wanted, and is none.
        (Some(Ending::Exited(0)) | None, ReportKind::Fail { error, .. }) => {
            format!(" ({error})")
        }
        (Some(Ending::Exited(0)), _) => String::new(),
        (Some(ending), _) => format!(" ({ending})"),
        (None, _) => " (not started)".to_owned(),
    };
    format!("{}{why}", receipt.text(&style).trim_end())
}

fn is_late(record: &Record) -> bool {
    match record.event {
        Event::Completed { late, .. } | Event::Failed { late, .. } => late,
        _ => false,
    }
}

/// What the whole run came to.
struct Sum<'a> {
    counts: &'a Counts,
    left: Option<Left>,
    outcomes: Vec<Value>,
}

impl Report for Sum<'_> {
    fn text(&self, _: &Style) -> String {
        let Counts {
            completed,
            failed,
            released,
            skipped,
            refused,
            unreported,
        } = self.counts;
        // Without a word of what is left it was stopped before the end.
        let head = if self.left.is_some() {
            "done"
        } else {
            "stopped"
        };
        let mut text =
            format!("{head}: {completed} completed, {failed} failed, {released} released");
        for (count, what) in [
            (skipped, "skipped"),
            (refused, "refused"),
            (unreported, "not reported"),
        ] {
            if *count > 0 {
                text = format!("{text}, {count} {what}");
            }
        }
        match self.left {
            Some(left) if left == Left::default() => format!("{text}; {left}\n"),
            Some(left) => format!("{text}; left: {left}\n"),
            None => format!("{text}\n"),
        }
    }

    fn json(&self) -> Value {
        let mut all = crate::cli::render::to_value(self.counts);
        all["left"] = json!(self.left);
        all["outcomes"] = self.outcomes.clone().into();
        all
    }

    fn array(&self) -> Option<&'static str> {
        Some("outcomes")
    }
}

/// How many phases may be worked on from here on.
fn open(store: &Store, order: &Order) -> u64 {
    let state = store.state();
    let phase = order
        .phase
        .as_ref()
        .and_then(|phase| state.plan.index_of(phase.as_str()));
    let now = crate::pipeline::Now {
        at: crate::pipeline::Timestamp::from_micros(0).expect("1970 is a time"),
        given: true,
        boot: None,
    };
    let open = ready::open_with_reasons(state, &now);
    let mine = open.filter(|(place, _)| phase.is_none_or(|phase| phase == place.phase));
    mine.filter(|(_, reason)| {
        matches!(
            reason,
            ready::Reason::Ready | ready::Reason::Waiting(_) | ready::Reason::BackingOff(_)
        )
    })
    .count() as u64
}

fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}  {wide_msg}")
        .expect("a template of known words");
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr()).with_style(style)
}
