//! `log`: the log itself, record by record.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use crate::log::Crc;
use crate::ports::output_is_closed;
use crate::position::Seq;
use crate::store::View;
use crate::store::history::{self, Told};
use crate::store::records::{self, Found, Ground, Raw, Unreadable};

use super::context::Context;
use super::failure::Failure;
use super::moment::RangeArgs;
use super::render::{Format, Report, Style, escape, one_line};
use super::told;

pub(super) const NAME: &str = "log";

/// Show the log, record by record
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The last N records only
    #[arg(short = 'n', long = "lines", value_name = "N")]
    last: Option<usize>,
    /// Go on printing what is recorded from now on
    #[arg(short = 'f', long, conflicts_with_all = ["reverse", "until"])]
    follow: bool,
    /// The newest first
    #[arg(short, long)]
    reverse: bool,
    #[command(flatten)]
    range: RangeArgs,
}

struct LogReport {
    records: Vec<Told>,
    complete: bool,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args {
        last,
        reverse,
        range,
        follow,
    } = args;
    if follow && context.print.format == Format::Json {
        return Err(Failure::usage(
            "a document has an end: --follow takes --format jsonl",
        ));
    }
    let ground = Ground::open(&context.ports, context.dir(), &context.options)?;
    context.warn(&ground.warnings);
    let range = range.resolve(context, &ground)?;
    let (ports, options, dir) = (
        context.ports.clone(),
        context.options.clone(),
        context.dir().to_owned(),
    );
    // What is durable already can be printed while it is read, if it comes in the order in which it is printed.
    let at_once = !reverse && last.is_none() && context.print.format != Format::Json;
    let mut unreadable: Vec<Unreadable> = Vec::new();
    let (mut kept, mut strange): (VecDeque<(Seq, Crc, String)>, Option<Told>) = Default::default();
    records::walk(
        &ports,
        &dir,
        &options,
        &ground,
        ground.through.min(range.last),
        &mut |found| {
            match found {
                Found::Unreadable(place) => unreadable.push(place.clone()),
                Found::Record(raw) if raw.seq < range.first => {}
                Found::Record(raw) if at_once => {
                    let told = history::tell(raw);
                    print(context, &told);
                    strange = strange
                        .take()
                        .or(Some(told).filter(|told| told.strange.is_some()));
                }
                Found::Record(raw) => {
                    kept.push_back((raw.seq, raw.crc, raw.payload.to_owned()));
                    if last.is_some_and(|most| kept.len() > most) {
                        kept.pop_front();
                    }
                }
            }
            !context.print.is_closed()
        },
    )?;
    if !at_once {
        let told = kept.iter().map(|(seq, crc, payload)| {
            history::tell(Raw {
                seq: *seq,
                crc: *crc,
                payload,
            })
        });
        let mut kept: Vec<Told> = told.collect();
        strange = kept.iter().find(|told| told.strange.is_some()).cloned();
        if reverse {
            kept.reverse();
        }
        let complete = ground.complete && unreadable.is_empty() && strange.is_none();
        context.print.report(&LogReport {
            records: kept,
            complete,
        });
    }
    context.print.flush();
    if follow && unreadable.is_empty() && strange.is_none() && ground.failure.is_none() {
        let through = ground.through;
        return match ground.into_view() {
            Some(view) => go_on(context, *view),
            None => go_on_anew(context, through),
        };
    }
    Ok(told::finish(
        context,
        &ground,
        &unreadable,
        strange.as_ref(),
    ))
}

/// How long `--follow` waits before it looks again.
const POLL: Duration = Duration::from_millis(500);

/// Prints what is recorded from now on, until nobody reads it any more.
fn go_on(context: &mut Context<'_>, mut view: View) -> Result<u8, Failure> {
    let (ports, options) = (context.ports.clone(), context.options.clone());
    let dir = context.dir().to_owned();
    while !nobody_reads(context) {
        ports.clock.sleep(POLL);
        view.look_again(&ports, &dir, &options, &mut |raw| {
            print(context, &history::tell(raw));
        })?;
        context.print.flush();
    }
    Ok(super::exit::DONE)
}

/// True if standard output takes nothing more, or whoever read it has gone.
pub(super) fn nobody_reads(context: &Context<'_>) -> bool {
    context.print.is_closed() || output_is_closed()
}

/// As [`go_on`], where what is recorded cannot be made durable from here: each time as far as it is known to be.
fn go_on_anew(context: &mut Context<'_>, mut through: Seq) -> Result<u8, Failure> {
    while !nobody_reads(context) {
        context.ports.clock.sleep(POLL);
        let ground = Ground::open(&context.ports, context.dir(), &context.options)?;
        let last = ground.through;
        if last <= through {
            continue;
        }
        let (ports, options) = (context.ports.clone(), context.options.clone());
        let dir = context.dir().to_owned();
        records::walk(&ports, &dir, &options, &ground, last, &mut |found| {
            if let Found::Record(raw) = found
                && raw.seq > through
            {
                let told = history::tell(raw);
                print(context, &told);
            }
            !context.print.is_closed()
        })?;
        context.print.flush();
        through = last;
    }
    Ok(super::exit::DONE)
}

fn print(context: &mut Context<'_>, told: &Told) {
    let line = match context.print.format {
        Format::Text => line(told, context.print.style),
        Format::Json | Format::JsonLines => one_line(&Value::Object(told::element(told))),
    };
    context.print.line(&line);
}

/// `SEQ  TIME  EVENT  PHASE of ITEM: DETAIL`
fn line(told: &Told, style: Style) -> String {
    let mut about: Vec<String> = Vec::new();
    match (&told.phase, &told.item) {
        (Some(phase), Some(item)) => about.push(format!("{} of {}", escape(phase), escape(item))),
        (None, Some(item)) => about.push(escape(item)),
        _ => {}
    }
    if !told.derived.words.is_empty() {
        about.push(escape(&told.derived.words));
    }
    let (seq, time, event) = (told.seq.get(), told::time(told, style), escape(&told.event));
    format!("{seq:>6}  {time}  {event:<9}  {}", about.join(": "))
        .trim_end()
        .to_owned()
}

impl Report for LogReport {
    fn text(&self, style: &Style) -> String {
        self.records
            .iter()
            .map(|told| line(told, *style) + "\n")
            .collect()
    }

    fn json(&self) -> Value {
        let records = self
            .records
            .iter()
            .map(|told| Value::Object(told::element(told)));
        json!({"records": records.collect::<Vec<_>>(), "complete": self.complete})
    }

    fn array(&self) -> Option<&'static str> {
        Some("records")
    }
}
