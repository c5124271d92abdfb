//! `demo`: the whole promise in a few seconds, with real processes, a real kill and nothing made up but the houses.
//!
//! ```text
//!   import -> three workers at once -> a fourth, killed inside a write -> 31 minutes later: resume -> look -> verify
//! ```
//!
//! Every line that begins with `$` was run as it stands, and what follows is what it printed.

mod stage;
mod killing;

use std::path::PathBuf;

use serde_json::Value;

use crate::error::Error;
use crate::pipeline::time::MICROS_PER_SEC;
use crate::position::Seq;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::quote;
use killing::Killed;
use stage::Stage;

pub(super) const NAME: &str = "demo";

/// A state file with 36 made-up houses, as a Python script would have left it.
const HOUSES: &[u8] = include_bytes!("houses.json");

/// Phases that each worker does.
const JOBS: &str = "12";

/// Show a crash and the recovery from it, with real processes in a directory that is removed afterwards
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep the directory, or make it here and keep it
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    #[expect(
        clippy::option_option,
        reason = "not given, given alone, given with a place"
    )]
    keep: Option<Option<PathBuf>>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let keep = args.keep.is_some();
    let random = context.ports.process.random();
    let dir = args
        .keep
        .flatten()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("phaselog-demo-{random:016x}")));
    let mut stage = Stage::set(&dir, context)?;
    let played = play(&mut stage);
    let all_well = stage.all_well;
    let dir = stage.dir.clone();
    if !keep {
        stage.clear();
    }
    played?;
    let print = &mut context.print;
    print.line("");
    if keep {
        let dir = dir.display().to_string();
        print.line(&format!(
            "The store is kept. Go on in it: cd {}",
            quote(&dir)
        ));
    } else {
        print.line(&format!("{} is removed; --keep keeps it.", dir.display()));
    }
    if all_well {
        return Ok(exit::DONE);
    }
    print.warning("a command ended as it should not have; please report this output");
    Ok(1)
}

fn play(stage: &mut Stage<'_, '_>) -> Result<(), Failure> {
    stage.heading("1  Take over the state file of another program");
    stage.write("houses.json", HOUSES)?;
    stage.run_briefly(
        &["import", "houses.json", "--assume-tz", "America/Phoenix"],
        6,
        "findings: every contradiction in the file, and what was decided",
    );

    stage.heading("2  Three workers, three processes, one log");
    work_together(stage)?;

    stage.heading("3  Kill a worker in the middle of a write");
    stage.say("w4 starts a phase, finds 4000 more houses and adds them in one write: all of them or none.");
    let killed = killing::kill_in_mid_write(stage)?;
    say_how_it_died(stage, &killed);
    stage.run(&["why", &killed.item, &killed.phase]);

    stage.heading("4  31 minutes later: recover");
    // The text has whole seconds: one more, so that it is not one less.
    let later = stage.now().plus_micros((31 * 60 + 1) * MICROS_PER_SEC);
    let later = later.utc().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    stage.say("The cut write is sealed off, not one byte of the log is changed. What ran for more than 30 minutes is");
    stage.say("handed back, each with a record; what the imported file had in progress counts from the import.");
    stage.run_briefly(&["--now", &later, "resume"], 3, "phases are ready");

    stage.heading("5  Look");
    stage.run(&["--now", &later, "status"]);
    stage.run(&["history", &killed.item]);
    stage.run(&["verify"]);

    stage.heading("6  Try next");
    stage.say("phaselog demo --keep            the same, in a store that stays");
    stage.say("phaselog import work_items.json your own state file: what would be decided, with --dry-run");
    stage.say("phaselog init --help            a new store");
    stage.say("phaselog man | man -l -         the manual");
    Ok(())
}

/// Lets three processes work at once and waits for them.
fn work_together(stage: &mut Stage<'_, '_>) -> Result<(), Failure> {
    let before = stage.view()?.last_seq();
    let mut workers = Vec::new();
    for name in ["w1", "w2", "w3"] {
        let args = [
            "demo-worker",
            "--name",
            name,
            "--jobs",
            JOBS,
            "--fail-every",
            "17",
        ];
        let (worker, line) = stage.spawn(&args)?;
        stage.show(&line);
        workers.push(worker);
    }
    for worker in &mut workers {
        let ended = worker.wait().map_err(Error::io("wait for", "a worker"))?;
        stage.all_well &= ended == Some(exit::DONE.into());
    }
    let records = stage.view()?.last_seq().get() - before.get();
    let turns = turns(stage, before);
    stage.say(&format!(
        "All three are done: {records} records, each on disk before its worker went on. The log passed from one process"
    ));
    stage.say(&format!(
        "to another {} times; the first time:",
        turns.len()
    ));
    let first = turns.first().copied().unwrap_or(before.get());
    let (since, until) = (
        format!("@{}", first.saturating_sub(3)),
        format!("@{}", first + 4),
    );
    stage.run(&["log", "--since", &since, "--until", &until]);
    Ok(())
}

/// The `started` records whose worker is not the one before, as the log has them.
fn turns(stage: &Stage<'_, '_>, after: Seq) -> Vec<u64> {
    let since = format!("@{}", after.next());
    let lines = stage.ask(&["log", "--format", "jsonl", "--since", &since]);
    let (mut last, mut turns) = (None, Vec::new());
    for line in String::from_utf8_lossy(&lines).lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        let worker = record["worker"].as_str().map(str::to_owned);
        let is_other = worker.is_some() && last.is_some() && worker != last;
        turns.extend(record["seq"].as_u64().filter(|_| is_other));
        last = worker.or(last);
    }
    turns
}

fn say_how_it_died(stage: &mut Stage<'_, '_>, killed: &Killed) {
    let torn = &killed.torn;
    let place = format!("wal/{} byte {}", torn.segment, torn.offset);
    match (killed.by_hand, killed.tries) {
        (true, tries) => {
            stage.say(&format!(
                "In {tries} tries the kill never came inside the write on this machine, so this is made by hand: w4 is dead,"
            ));
            stage.say(&format!(
                "and {} bytes of a record, as a cut write leaves them, stand at {place}.",
                torn.bytes
            ));
        }
        (false, tries) => {
            stage.say(&format!(
                "The kill cut the write: {} bytes of it are in {place}.",
                torn.bytes
            ));
            if tries > 1 {
                stage.say(&format!(
                    "(It took {tries} tries: the others came before or after the write, and the store was put back each time.)"
                ));
            }
        }
    }
}
