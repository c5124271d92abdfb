//! What one command costs, from process start to exit, at 36 items and at many more, beside a bare program that parses its
//! arguments, appends a line and syncs it, and beside the `sqlite3` shell making one transition, if there is one (WAL,
//! synchronous=FULL: the state updated, the event inserted). Rounds are interleaved; each line printed is a median with its
//! ratios.
//!
//! ```text
//! cargo bench --bench one_shot -- --items 36,10000,1000000 --rounds 200 [--dir /somewhere/on/a/disk]
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program outside of the doors: it looks at the clock, and ends at the first thing that goes wrong"
)]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Parser;
use phaselog::pipeline::{ItemId, NewItem, Phase, PhasePlan, Plan};
use phaselog::{Options, Ports, Store};

/// The built program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_phaselog");

#[derive(Debug, Parser)]
struct Args {
    /// Sizes of stores
    #[arg(long, value_delimiter = ',', default_value = "36,1000")]
    items: Vec<usize>,
    /// How often each is run
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Where the stores are made: a directory on the disk to be measured
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Is the bare program: appends this line to that file, and syncs it
    #[arg(long, num_args = 2, value_names = ["FILE", "LINE"])]
    bare: Option<Vec<String>>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    if let Some([file, line]) = args.bare.as_deref() {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        file.write_all(line.as_bytes()).unwrap();
        file.sync_data().unwrap();
        return;
    }
    let scratch = match &args.dir {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    measure(&args, scratch.path());
}

fn name(index: usize) -> String {
    format!("{index} N Example St, Phoenix, AZ 85001")
}

fn make(dir: &Path, items: usize) {
    let phase = |index| PhasePlan::named(Phase::new(&format!("phase{index}")).unwrap());
    let plan = Plan::new((0..6).map(phase).collect()).unwrap().linear();
    let new = |index| NewItem {
        name: ItemId::new(&name(index)).unwrap(),
        id: None,
    };
    let items: Vec<NewItem> = (0..items).map(new).collect();
    let _ = Store::init(&Ports::real(), dir, &Options::default(), &plan, &items).unwrap();
}

/// Runs it and gives the microseconds that it took.
fn micros(command: &mut Command) -> f64 {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status = command.status().unwrap();
    let took = begin.elapsed().as_secs_f64() * 1e6;
    assert!(status.success(), "{command:?}: {status}");
    took
}

fn phaselog(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("PHASELOG_COMPACT", "never")
        .env("PHASELOG_STORE", dir)
        .args(args);
    command
}

/// The statements that make a database of the same items and phases.
fn database(items: usize) -> String {
    format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE phases(item TEXT, phase TEXT, status TEXT, token INTEGER, at TEXT,
             PRIMARY KEY(item, phase)) WITHOUT ROWID;
         CREATE TABLE events(seq INTEGER PRIMARY KEY, at TEXT, event TEXT, item TEXT, phase TEXT);
         WITH RECURSIVE
             item(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM item WHERE i + 1 < {items}),
             phase(p) AS (SELECT 0 UNION ALL SELECT p + 1 FROM phase WHERE p < 5)
         INSERT INTO phases SELECT i || ' N Example St, Phoenix, AZ 85001', 'phase' || p, 'pending', NULL, NULL
             FROM item, phase;"
    )
}

/// One transition, as a script would make it with the shell.
fn transition(item: &str) -> String {
    format!(
        "PRAGMA synchronous = FULL; BEGIN IMMEDIATE;
         INSERT INTO events(at, event, item, phase)
             VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'completed', '{item}', 'phase0');
         UPDATE phases SET status = 'completed', token = last_insert_rowid(), at = strftime('%Y-%m-%dT%H:%M:%fZ')
             WHERE item = '{item}' AND phase = 'phase0';
         COMMIT;"
    )
}

fn sqlite3(file: &Path, statements: &str) -> Command {
    let mut command = Command::new("sqlite3");
    command.arg("-batch").arg(file).arg(statements);
    command
}

/// A database a size, or why there is none.
fn databases(args: &Args, scratch: &Path) -> Option<Vec<PathBuf>> {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).status();
    if let Err(error) = quiet(Command::new("sqlite3").arg("--version")) {
        println!("no ratio to the sqlite3 shell: {error}");
        return None;
    }
    let made = args.items.iter().map(|&items| {
        let file = scratch.join(format!("{items}.db"));
        let status = quiet(&mut sqlite3(&file, &database(items))).unwrap();
        assert!(status.success(), "sqlite3: {status}");
        file
    });
    Some(made.collect())
}

fn measure(args: &Args, scratch: &Path) {
    let databases = databases(args, scratch);
    let stores: Vec<(usize, PathBuf)> = args
        .items
        .iter()
        .map(|&items| (items, scratch.join(items.to_string())))
        .collect();
    for (items, dir) in &stores {
        make(dir, *items);
        let first = micros(&mut phaselog(dir, &["start", &name(0), "phase0"]));
        println!(
            "{items:>9} items: the first command, which recovers everything: {:.1} ms",
            first / 1e3
        );
    }
    let verbs = ["start", "complete", "claim"];
    let (mut bare, mut took) = (Vec::new(), vec![Vec::new(); stores.len() * verbs.len()]);
    let mut by_shell = vec![Vec::new(); stores.len()];
    let line = "x".repeat(250) + "\n";
    for _ in 0..args.rounds {
        let mut program = Command::new(std::env::current_exe().unwrap());
        let file = scratch.join("bare");
        bare.push(micros(program.arg("--bare").arg(file).arg(&line)));
        for (at, (items, dir)) in stores.iter().enumerate() {
            if let Some(databases) = &databases {
                let mut shell = sqlite3(&databases[at], &transition(&name(items - 1)));
                by_shell[at].push(micros(&mut shell));
            }
            // The last item, and what is claimed: the second. Both are put back, so that rounds are alike.
            let (item, claimed) = (name(items - 1), name(1));
            let measured = [
                vec!["start", &item, "phase0"],
                vec!["complete", &item, "phase0"],
                vec!["claim"],
            ];
            for (verb, args) in measured.iter().enumerate() {
                took[at * verbs.len() + verb].push(micros(&mut phaselog(dir, args)));
            }
            for args in [
                ["retry", "--force", &item, "phase0"].as_slice(),
                &["release", &claimed, "phase0"],
            ] {
                micros(&mut phaselog(dir, args));
            }
        }
    }
    let bare = median(bare);
    println!(
        "bare clap + append + fdatasync: {bare:.0} us (median of {})",
        args.rounds
    );
    let by_shell: Vec<Option<f64>> = by_shell
        .into_iter()
        .map(|times| (!times.is_empty()).then(|| median(times)))
        .collect();
    for ((items, _), shell) in stores.iter().zip(&by_shell) {
        if let Some(shell) = shell {
            let ratio = shell / bare;
            println!("{items:>9} items  sqlite3   {shell:>6.0} us   {ratio:.2} x bare");
        }
    }
    let medians: Vec<f64> = took.into_iter().map(median).collect();
    for (at, (items, _)) in stores.iter().enumerate() {
        for (verb, name) in verbs.iter().enumerate() {
            let (this, smallest) = (medians[at * verbs.len() + verb], medians[verb]);
            let beside = by_shell[at]
                .map(|shell| format!("   {:.2} x the sqlite3 shell", this / shell))
                .unwrap_or_default();
            println!(
                "{items:>9} items  {name:<9} {this:>6.0} us   {:.2} x bare   {:.2} x {} items{beside}",
                this / bare,
                this / smallest,
                stores[0].0
            );
        }
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
