//! One command from a shell: start a process, do one transition durably, end.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::job::{self, PHASES};
use crate::measure::{Bar, Contender, Failed, heading, interleave, median, millis};
use crate::writers::beside;
use crate::{Scale, peers};

/// Runs a command to its end; milliseconds. Its output goes nowhere.
pub fn run(command: &mut Command) -> Result<f64, Failed> {
    let begin = Instant::now();
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    let took = millis(begin.elapsed());
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!(
            "{:?} ended with {}: {said}",
            command.get_program(),
            done.status
        )
        .into());
    }
    Ok(took)
}

/// The phaselog command on a store; it never compacts by itself.
pub fn phaselog(dir: &Path) -> Result<Command, Failed> {
    let mut command = Command::new(beside("phaselog")?);
    command
        .arg("--store")
        .arg(dir)
        .env("PHASELOG_COMPACT", "never");
    Ok(command)
}

/// One `complete`, beside a bare program, the sqlite3 shell and a Python script.
pub fn complete(scale: &Scale, dir: &Path) {
    let runs = scale.of(20, 5);
    heading(&format!(
        "One command from a shell, 36 items, median of {runs} runs a round"
    ));
    let (store, file, sqlite, json) = (
        dir.join("shot"),
        dir.join("shot.raw"),
        dir.join("shot.db"),
        dir.join("shot.json"),
    );
    let items = 36.max((runs * scale.rounds()).div_ceil(PHASES.len()));
    let made = job::store(&store, items)
        .and_then(|()| run(phaselog(&store)?.arg("compact")))
        .and_then(|_| peers::sqlite(&sqlite, items))
        .and_then(|()| Ok(std::fs::write(&json, job::work_items(36))?));
    if let Err(error) = made {
        return println!("  skipped: {error}");
    }
    let place = |round: usize, shot: usize| {
        let number = round * runs + shot;
        (
            job::address(number / PHASES.len()),
            PHASES[number % PHASES.len()],
        )
    };
    // `complete` of what was never started is the one-step form; sqlite3 does as much.
    let contenders = vec![
        Contender::new("phaselog complete", |round| {
            middle(runs, |shot| {
                let (item, phase) = place(round, shot);
                run(phaselog(&store)?.args(["complete", &item, phase]))
            })
        }),
        Contender::new("bare clap program: append, fdatasync", |round| {
            middle(runs, |shot| {
                let (item, phase) = place(round, shot);
                run(Command::new(beside("bare")?)
                    .arg(&file)
                    .args([&item, phase]))
            })
        }),
        Contender::new("sqlite3 shell, WAL, FULL", |round| {
            middle(runs, |shot| {
                let (item, phase) = place(round, shot);
                let script = format!(
                    "PRAGMA synchronous=FULL; BEGIN IMMEDIATE; \
                     UPDATE state SET status='completed', completed_at='2026-11-23T01:40:15.123456Z' WHERE item='{item}' AND phase='{phase}'; \
                     INSERT INTO event (payload) VALUES ('{{\"event\":\"completed\",\"item\":\"{item}\",\"phase\":\"{phase}\"}}'); COMMIT;"
                );
                run(Command::new("sqlite3").arg(&sqlite).arg(script))
            })
        }),
        Contender::new("python3 script, whole file, not durable", |_| {
            let script = "import json,sys\nd=json.load(open(sys.argv[1]))\nd['work_items'][0]['status']='completed'\njson.dump(d,open(sys.argv[1],'w'),indent=2)";
            middle(runs.min(5), |_| {
                run(Command::new("python3").args(["-c", script]).arg(&json))
            })
        }),
    ];
    let figures = interleave(scale.rounds(), contenders);
    figures.print("ms");
    let bar = |what, other, bar| figures.bar(what, "phaselog complete", other, Bar::AtMost(bar));
    bar(
        "phaselog complete : bare program",
        "bare clap program: append, fdatasync",
        1.5,
    );
    bar(
        "phaselog complete : sqlite3 shell",
        "sqlite3 shell, WAL, FULL",
        0.7,
    );
}

/// The median of several runs.
pub fn middle(
    runs: usize,
    mut work: impl FnMut(usize) -> Result<f64, Failed>,
) -> Result<f64, Failed> {
    let times: Result<Vec<f64>, Failed> = (0..runs).map(&mut work).collect();
    median(&times?).ok_or_else(|| "no runs".into())
}
