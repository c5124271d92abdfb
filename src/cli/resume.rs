//! `resume`: recovery, then the timeout reset, then what is ready.

use serde_json::{Value, json};

use crate::error::Result as StoreResult;
use crate::pipeline::lease;
use crate::pipeline::ready::{self, Reason};
use crate::pipeline::time::parse_duration;
use crate::pipeline::{Event, Now, Phase, PipelineState, Place, Status};
use crate::position::Seq;
use crate::store::TornTail;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::render::{Format, Report, Style, rows, to_value};

pub(super) const NAME: &str = "resume";

/// Recover after a crash, hand back what is stuck, and list what is ready
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Hand back what has shown no sign of life for longer than this, whatever the plan says
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<u64>,
    /// List this phase only
    #[arg(long, value_name = "PHASE")]
    phase: Option<Phase>,
    /// List every pending phase, also waiting and held ones
    #[arg(long)]
    all: bool,
    /// Say what would be done; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Exact bytes, each field ended by NUL
    #[arg(short = '0')]
    nul: bool,
}

fn duration(text: &str) -> Result<u64, String> {
    parse_duration(text).ok_or_else(|| "not a duration such as 30m, 1h30m or 90s".to_owned())
}

/// What `resume` found and did.
struct ResumeReport {
    as_of_seq: Seq,
    dry_run: bool,
    snapshot_seq: Option<Seq>,
    replayed: u64,
    torn: Option<TornTail>,
    /// Each with the seq of its record; without one under `--dry-run`.
    resets: Vec<(Option<Seq>, Event)>,
    pending: Vec<(String, String)>,
    left_out: LeftOut,
    nul: bool,
}

/// Open phases that are not listed, by what they wait for.
#[derive(Default, serde::Serialize)]
struct LeftOut {
    waiting: usize,
    held: usize,
    backing_off: usize,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    if let Some(phase) = &args.phase {
        let view = context.view()?;
        crate::pipeline::lookup::resolve_phase(view.state(), phase)?;
    }
    let report = if args.dry_run {
        look(&args, context)?
    } else {
        resume(&args, context)?
    };
    let did = if args.dry_run { "Would reset" } else { "Reset" };
    for (_, event) in &report.resets {
        tell_reset(did, event, context);
    }
    if context.print.format == Format::Text {
        let pending = report
            .pending
            .iter()
            .map(|(item, phase)| vec![item.as_str(), phase.as_str()]);
        let lines = rows(pending, report.nul);
        context.print.data(&lines);
    } else {
        context.print.report(&report);
    }
    Ok(exit::DONE)
}

/// Says on standard error what was handed back, or would be, and by which rule.
pub(super) fn tell_reset(did: &str, event: &Event, context: &mut Context<'_>) {
    if let Event::Reset {
        item,
        phase,
        cause,
        elapsed_us,
        limit_us,
        ..
    } = event
    {
        let item = super::render::escape(item.as_str());
        let why = lease::words_of_reset(*cause, *elapsed_us, *limit_us);
        context
            .print
            .aside(&format!("{did} stuck {phase} for {item} ({why})"));
    }
}

fn resume(args: &Args, context: &mut Context<'_>) -> Result<ResumeReport, Failure> {
    let mut store = context.store()?;
    let resumed = store.resume(args.timeout);
    context.warn(&store.take_warnings());
    let resumed = resumed?;
    let now = context.ports.clock.now();
    let resets = resumed
        .resets
        .into_iter()
        .map(|record| (Some(record.seq), record.event))
        .collect();
    let report = ResumeReport {
        snapshot_seq: resumed.snapshot_seq,
        replayed: resumed.replayed,
        torn: resumed.torn,
        ..report(args, store.state(), &now, resets)
    };
    let compacted: StoreResult<_> = store.compact_if_due();
    if let Err(error) = compacted {
        context
            .print
            .warning(&format!("the snapshots were not written: {error}"));
    }
    Ok(report)
}

fn look(args: &Args, context: &mut Context<'_>) -> Result<ResumeReport, Failure> {
    let view = context.view()?;
    let resets = view
        .would_reset(args.timeout)
        .into_iter()
        .map(|event| (None, event))
        .collect();
    Ok(ResumeReport {
        snapshot_seq: view.snapshot_seq(),
        replayed: view.replayed(),
        torn: view.torn(),
        ..report(args, view.state(), view.now(), resets)
    })
}

/// What is listed and what is left out, given the resets that are (or would be) done.
fn report(
    args: &Args,
    state: &PipelineState,
    now: &Now,
    resets: Vec<(Option<Seq>, Event)>,
) -> ResumeReport {
    let mut after = None;
    if args.dry_run && !resets.is_empty() {
        let mut folded = state.clone();
        for (_, event) in &resets {
            let (seq, at) = (folded.last_seq.next(), now.at);
            folded.apply(&crate::pipeline::Record {
                seq,
                at,
                clock_given: now.given,
                event: event.clone(),
            });
        }
        after = Some(folded);
    }
    let shown = after.as_ref().unwrap_or(state);
    let (mut pending, mut left_out) = (Vec::new(), LeftOut::default());
    for (place, reason) in ready::open_with_reasons(shown, now) {
        let (item, phase) = names(shown, place);
        if args
            .phase
            .as_ref()
            .is_some_and(|wanted| wanted.as_str() != phase)
        {
            continue;
        }
        let is_pending = shown.items()[place.item].phases[place.phase].status == Status::Pending;
        if reason == Reason::Ready || (args.all && is_pending) {
            pending.push((item.to_owned(), phase.to_owned()));
            continue;
        }
        match reason {
            Reason::Waiting(_) => left_out.waiting += 1,
            Reason::Held => left_out.held += 1,
            Reason::BackingOff(_) => left_out.backing_off += 1,
            _ => {}
        }
    }
    ResumeReport {
        as_of_seq: state.last_seq,
        dry_run: args.dry_run,
        snapshot_seq: None,
        replayed: 0,
        torn: None,
        resets,
        pending,
        left_out,
        nul: args.nul,
    }
}

fn names(state: &PipelineState, place: Place) -> (&str, &str) {
    let item = state.items()[place.item].name.as_str();
    (item, state.plan.phases()[place.phase].phase.as_str())
}

impl Report for ResumeReport {
    fn text(&self, _: &Style) -> String {
        String::new()
    }

    fn json(&self) -> Value {
        let torn = self.torn.as_ref().map(|torn| {
            json!({
                "file": format!("wal/{}", torn.segment),
                "byte": torn.offset.get(),
                "bytes": torn.bytes,
                "sealed_by": torn.sealed_by.map(|segment| format!("wal/{segment}")),
            })
        });
        let resets = self.resets.iter().filter_map(|(seq, event)| match event {
            Event::Reset {
                item,
                phase,
                token,
                cause,
                elapsed_us,
                limit_us,
                evidence,
            } => Some(json!({
                "seq": seq, "item": item, "phase": phase, "token": token, "cause": cause,
                "elapsed_secs": *elapsed_us as f64 / 1e6, "limit_secs": limit_us / 1_000_000,
                "evidence": evidence,
            })),
            _ => None,
        });
        let pending = self
            .pending
            .iter()
            .map(|(item, phase)| json!({"item": item, "phase": phase}));
        json!({
            "as_of_seq": self.as_of_seq,
            "dry_run": self.dry_run,
            "recovered": {"snapshot_seq": self.snapshot_seq, "replayed": self.replayed, "torn": torn},
            "resets": resets.collect::<Vec<_>>(),
            "pending": pending.collect::<Vec<_>>(),
            "left_out": to_value(&self.left_out),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("pending")
    }
}
