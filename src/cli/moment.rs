//! The moment that a command looks at: now, or any time the log remembers.

use crate::error::Error;
use crate::pipeline::lease::{Evidence, RecordsOnly};
use crate::pipeline::{Now, PipelineState, Timestamp};
use crate::position::Seq;
use crate::store::View;
use crate::store::history::Range;
use crate::store::records::{self, Ground};
use crate::store::replay::{self, At, Past};

use super::context::Context;
use super::failure::Failure;
use super::times;

/// When to look.
#[derive(Debug, clap::Args)]
pub(super) struct AtArg {
    /// As of then: a time, an age (`2h ago`), or @SEQ
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) at: Option<String>,
}

/// A part of the log.
#[derive(Debug, clap::Args)]
pub(super) struct RangeArgs {
    /// From then on: a time, an age (`2h ago`), or @SEQ
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Until then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
}

/// What is seen at a moment.
pub(super) enum Look {
    Now(Box<View>),
    Then(Box<Past>, Now),
}

impl AtArg {
    /// Opens the store, or folds it as it was then.
    pub(super) fn look(&self, context: &mut Context<'_>) -> Result<Look, Failure> {
        match &self.at {
            None => Ok(Look::Now(Box::new(context.view()?))),
            Some(text) => {
                let past = past(context, text)?;
                let now = past.now();
                Ok(Look::Then(Box::new(past), now))
            }
        }
    }
}

/// Folds the store as it was at a place that a person named, and says on standard error which record a time meant.
pub(super) fn past(context: &mut Context<'_>, text: &str) -> Result<Past, Failure> {
    let at = times::parse_at(text, context.ports.clock.now().at)?;
    let past = replay::past(&context.ports, context.dir(), &context.options, at);
    let past = past.map_err(with_last_good)?;
    if let At::Time(time) = at {
        name(context, text, time, past.state.last_seq);
    }
    Ok(past)
}

fn name(context: &mut Context<'_>, text: &str, time: Timestamp, seq: Seq) {
    let time = context.print.style.time(time);
    context
        .print
        .aside(&format!("{text}: record @{seq}, the last until {time}"));
}

/// Where a replay was stopped, the hint names the last record that it could reach.
pub(super) fn with_last_good(error: Error) -> Failure {
    let last = replay::last_good(&error);
    let failure = Failure::from(error);
    match last {
        Some(last) => failure.with_hint(format!(
            "--at @{last} is the last that can be replayed; verify shows the rest"
        )),
        None => failure,
    }
}

impl Look {
    pub(super) fn state(&self) -> &PipelineState {
        match self {
            Self::Now(view) => view.state(),
            Self::Then(past, _) => &past.state,
        }
    }

    /// What is known beyond the records; of the past nothing is.
    pub(super) fn known(&self) -> &dyn Evidence {
        match self {
            Self::Now(view) => view.known(),
            Self::Then(..) => &RecordsOnly,
        }
    }

    /// The time for rules that ask how late it is.
    pub(super) fn now(&self) -> &Now {
        match self {
            Self::Now(view) => view.now(),
            Self::Then(_, now) => now,
        }
    }
}

/// The last record that is meant: the last that can be read, or, where a person named a place, the one there.
pub(super) fn until(
    context: &mut Context<'_>,
    ground: &Ground,
    flag: &str,
    text: &str,
) -> Result<Seq, Failure> {
    match times::parse_at(text, context.ports.clock.now().at)? {
        At::Seq(seq) => Ok(seq.min(ground.through)),
        At::Time(time) => {
            let last = last_before(context, ground, time)?;
            name(context, &format!("{flag} {text}"), time, last);
            Ok(last)
        }
    }
}

impl RangeArgs {
    /// The records that are meant. Works on what can be read.
    pub(super) fn resolve(
        &self,
        context: &mut Context<'_>,
        ground: &Ground,
    ) -> Result<Range, Failure> {
        let now = context.ports.clock.now().at;
        let mut range = Range {
            first: Seq::FIRST,
            last: ground.through,
        };
        if let Some(text) = &self.since {
            range.first = match times::parse_at(text, now)? {
                At::Seq(seq) => seq,
                At::Time(time) => {
                    let (ports, options) = (&context.ports, &context.options);
                    let first = records::first_from(ports, context.dir(), options, ground, time)?;
                    let shown = context.print.style.time(time);
                    context.print.aside(&format!(
                        "--since {text}: record @{first}, the first from {shown}"
                    ));
                    first
                }
            };
        }
        if let Some(text) = &self.until {
            range.last = until(context, ground, "--until", text)?;
        }
        Ok(range)
    }
}

fn last_before(context: &Context<'_>, ground: &Ground, time: Timestamp) -> Result<Seq, Failure> {
    let found = records::last_before(
        &context.ports,
        context.dir(),
        &context.options,
        ground,
        time,
    );
    Ok(found?)
}
