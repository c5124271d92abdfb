//! `replay`: the state files as of any record or time, out of the log alone.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::position::Seq;
use crate::store::replay::{self, Past};
use crate::store::verify::Extent;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::moment;
use super::render::{Report, Style};

pub(super) const NAME: &str = "replay";

/// Write the state files as of now or then, rebuilt from the log; the store is not touched
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As of then: a time, an age (`2h ago`), or @SEQ
    #[arg(
        long,
        visible_alias = "to",
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    at: Option<String>,
    /// Write all state files there, instead of `work_items.json` to standard output
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write nothing; prove that the snapshots and the log after them equal a replay: `verify --deep`
    #[arg(long, conflicts_with_all = ["at", "output"])]
    check: bool,
}

/// What was written where.
struct ReplayReport {
    as_of_seq: Seq,
    files: Vec<String>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { at, output, check } = args;
    if check {
        return super::verify::check(
            context,
            &Extent {
                deep: true,
                head: None,
            },
        );
    }
    let past = match &at {
        Some(text) => moment::past(context, text)?,
        None => replay::present(&context.ports, context.dir(), &context.options)
            .map_err(moment::with_last_good)?,
    };
    match &output {
        Some(dir) => {
            let files = past.write_files(&context.ports, context.dir(), dir)?;
            let files = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            context.print.report(&ReplayReport {
                as_of_seq: past.state.last_seq,
                files,
            });
        }
        None => print(context, &past),
    }
    Ok(exit::DONE)
}

fn print(context: &mut Context<'_>, past: &Past) {
    let mut bytes = Vec::new();
    past.write_work_items(&mut bytes)
        .expect("memory takes everything");
    context.print.data(&bytes);
}

impl Report for ReplayReport {
    fn text(&self, _: &Style) -> String {
        self.files.iter().fold(String::new(), |mut all, file| {
            let _ = writeln!(all, "{file} as of record @{}", self.as_of_seq);
            all
        })
    }

    fn json(&self) -> Value {
        json!({"as_of_seq": self.as_of_seq, "files": self.files})
    }
}
