//! `claim`: the next piece of work, never given to two.

use std::time::Duration;

use serde_json::{Value, json};

use crate::pipeline::claim::Claim;
use crate::pipeline::time::{MICROS_PER_SEC, parse_duration};
use crate::pipeline::{Event, Phase, Record, Timestamp};
use crate::store::{Brief, Claimed};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::quote;
use super::render::{Format, escape, rows};
use super::resume::tell_reset;
use super::values::WorkerArgs;

pub(super) const NAME: &str = "claim";

/// Take the next piece of work: the first line that `resume` would print, started
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Take this phase only
    #[arg(long, value_name = "PHASE")]
    phase: Option<Phase>,
    #[command(flatten)]
    worker: WorkerArgs,
    /// Wait until something is ready, or until nothing ever will be; for so long at most
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, value_parser = duration)]
    #[expect(clippy::option_option, reason = "not at all, for ever, or for so long")]
    wait: Option<Option<u64>>,
    /// Take up to so many at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print a line for the shell: eval "$(phaselog claim --export)"
    #[arg(long, conflicts_with_all = ["limit", "json", "format", "nul"])]
    pub(super) export: bool,
    /// Exact bytes, each field ended by NUL
    #[arg(short = '0', id = "nul")]
    nul: bool,
}

pub(super) fn duration(text: &str) -> Result<u64, String> {
    parse_duration(text).ok_or_else(|| "not a duration such as 30m, 1h30m or 90s".to_owned())
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let export = args.export;
    let result = take(&args, context);
    if let (true, Err(failure)) = (export, &result) {
        // `eval` of nothing would succeed, and the loop would go on with the work before.
        context.print.line(&exit::shell(failure.code().1));
    }
    result
}

fn take(args: &Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let wanted = Claim {
        phase: args.phase.clone(),
        worker: args.worker.worker.clone(),
        owner: args.worker.owner(context)?,
        limit: args
            .limit
            .map_or(1, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        except: Vec::new(),
    };
    let mut store = context.brief()?;
    let claimed = match args.wait {
        None => store.claim(&wanted),
        Some(patience) => {
            let patience = patience.map(Duration::from_micros);
            store.claim_or_wait(&wanted, patience, &mut |resets| {
                tell_resets(resets, context);
            })
        }
    };
    let Claimed { resets, started } = match claimed {
        Ok(claimed) => claimed,
        Err(error) => {
            context.warn(&store.take_warnings());
            return Err(error.into());
        }
    };
    tell_resets(&resets, context);
    match started {
        Ok(started) => {
            print(args, &started, &store, context);
            context.after_brief_write(&mut store);
            Ok(exit::DONE)
        }
        Err(rejection) => {
            if resets.is_empty() {
                context.warn(&store.take_warnings());
            } else {
                context.after_brief_write(&mut store);
            }
            Err(rejection.into())
        }
    }
}

fn tell_resets(resets: &[Record], context: &mut Context<'_>) {
    for reset in resets {
        tell_reset("Reset", &reset.event, context);
    }
}

fn print(args: &Args, started: &[Record], store: &Brief, context: &mut Context<'_>) {
    let mut lines = Vec::new();
    for record in started {
        let Event::Started { item, phase, .. } = &record.event else {
            continue;
        };
        let token = record.seq.to_string();
        let (item, phase) = (item.as_str(), phase.as_str());
        if args.export {
            let line = exported(item, phase, &token);
            context.print.line(&line);
        } else if context.print.format == Format::Text {
            lines.extend(rows([vec![item, phase, token.as_str()]], args.nul));
        } else {
            let element = element(record, store);
            context.print.document(element, args.limit.is_some());
        }
        if context.print.format == Format::Text {
            let receipt = format!("recorded {token}: started {phase} of {}", escape(item));
            context.print.aside(&receipt);
        }
    }
    context.print.data(&lines);
}

/// Three variables, set and exported, so that the commands of the loop find them.
fn exported(item: &str, phase: &str, token: &str) -> String {
    format!(
        "PHASELOG_ITEM={} PHASELOG_PHASE={} PHASELOG_TOKEN={token}; export PHASELOG_ITEM PHASELOG_PHASE PHASELOG_TOKEN",
        quote(item),
        quote(phase)
    )
}

fn element(record: &Record, store: &Brief) -> Value {
    let Event::Started {
        item,
        phase,
        worker,
        ..
    } = &record.event
    else {
        return Value::Null;
    };
    let planned = store.plan().and_then(|plan| plan.get(phase.as_str()));
    let limit_us = planned.map_or(0, crate::pipeline::PhasePlan::limit_micros);
    let index = store.plan().and_then(|plan| plan.index_of(phase.as_str()));
    let attempt = store.item(item).zip(index);
    let attempt = attempt.map(|(item, phase)| item.phases[phase].attempts);
    json!({
        "recorded": true, "seq": record.seq, "event": "started", "item": item, "phase": phase,
        "token": record.seq, "attempt": attempt, "worker": worker,
        "limit_secs": limit_us / MICROS_PER_SEC,
        "valid_until": Timestamp::to_offset_text(record.at.plus_micros(limit_us)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_quoted_for_the_shell() {
        assert_eq!(
            exported("1 O'Hare St\n$(x)", "list", "7"),
            "PHASELOG_ITEM='1 O'\\''Hare St\n$(x)' PHASELOG_PHASE=list PHASELOG_TOKEN=7; export PHASELOG_ITEM PHASELOG_PHASE PHASELOG_TOKEN"
        );
    }
}
