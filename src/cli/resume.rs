//! `resume`: recovery, then the timeout reset, then what is ready.

use serde_json::{Value, json};

use crate::pipeline::lease;
use crate::pipeline::ready::{self, Reason};
use crate::pipeline::time::parse_duration;
use crate::pipeline::{Event, Now, Phase, PipelineState, Place, Record, Status};
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
struct ResumeReport<'s> {
    as_of_seq: Seq,
    dry_run: bool,
    snapshot_seq: Option<Seq>,
    replayed: u64,
    torn: Option<TornTail>,
    /// Each with the seq of its record; without one under `--dry-run`.
    resets: Vec<(Option<Seq>, Event)>,
    pending: Vec<(&'s str, &'s str)>,
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
    if args.dry_run {
        look(&args, context)?;
    } else {
        resume(&args, context)?;
    }
    Ok(exit::DONE)
}

fn print(report: &ResumeReport<'_>, context: &mut Context<'_>) {
    let did = if report.dry_run {
        "Would reset"
    } else {
        "Reset"
    };
    for (_, event) in &report.resets {
        tell_reset(did, event, context);
    }
    if context.print.format == Format::Text {
        let pending = report.pending.iter().map(|&(item, phase)| [item, phase]);
        let lines = rows(pending, report.nul);
        context.print.data(&lines);
    } else {
        context.print.report(report);
    }
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

fn resume(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
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
    print(&report, context);
    context.after_write(&mut store);
    Ok(())
}

fn look(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let view = context.view()?;
    let (snapshot_seq, replayed, torn) = (view.snapshot_seq(), view.replayed(), view.torn());
    let (now, resets) = (view.now().clone(), view.would_reset(args.timeout));
    let mut state = view.into_state();
    let as_of_seq = state.last_seq;
    for event in &resets {
        state.apply(&Record {
            seq: state.last_seq.next(),
            at: now.at,
            clock_given: now.given,
            event: event.clone(),
        });
    }
    let resets = resets.into_iter().map(|event| (None, event)).collect();
    let report = ResumeReport {
        as_of_seq,
        snapshot_seq,
        replayed,
        torn,
        ..report(args, &state, &now, resets)
    };
    print(&report, context);
    Ok(())
}

/// What is listed and what is left out, once the resets are done.
fn report<'s>(
    args: &Args,
    state: &'s PipelineState,
    now: &Now,
    resets: Vec<(Option<Seq>, Event)>,
) -> ResumeReport<'s> {
    let (mut pending, mut left_out) = (Vec::new(), LeftOut::default());
    for (place, reason) in ready::open_with_reasons(state, now) {
        let (item, phase) = names(state, place);
        if args
            .phase
            .as_ref()
            .is_some_and(|wanted| wanted.as_str() != phase)
        {
            continue;
        }
        let is_pending = || state.item_at(place.item).phases[place.phase].status == Status::Pending;
        if reason == Reason::Ready || (args.all && is_pending()) {
            pending.push((item, phase));
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
    let item = state.name_at(place.item);
    (item, state.plan.phases()[place.phase].phase.as_str())
}

impl Report for ResumeReport<'_> {
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
