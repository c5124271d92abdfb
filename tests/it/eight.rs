//! Eight real processes on one store, some killed, some stopped and woken after their work was given to another, while
//! commands run under clocks that were set an hour ahead, a year back, and to 1970.
//!
//! A worker says what it begins (the token) and what was acknowledged. In the end an independent fold over the log, which
//! shares no code with the program, holds: every phase was completed exactly once, no report under a superseded token was
//! taken, no live owner lost its work to an honest clock, and wherever a piece of work was begun twice a reset or a
//! release stands between.
//!
//! `PHASELOG_TEST_SEED=N` repeats the choices of a run; `PHASELOG_TEST_ITEMS=N` and `PHASELOG_TEST_ACTIONS=N` make it longer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::kill::{Random, read_log, seed};
use crate::support::Lab;

const WORKERS: u64 = 8;

/// What happened beside the log.
#[derive(Debug, Default)]
struct Witness {
    /// Each piece of work that a process began: its token, and of what.
    began: BTreeMap<u64, Place>,
    /// The seqs of completions that were acknowledged.
    completed: BTreeSet<u64>,
    /// Reports that were refused.
    refused: usize,
    /// The processes that were killed.
    killed: BTreeSet<u64>,
    stopped: usize,
}

/// An item and a phase.
type Place = (String, String);

#[test]
fn eight_processes_never_do_a_phase_twice_without_a_reset() {
    let seed = seed();
    println!("seed {seed}; again: PHASELOG_TEST_SEED={seed} cargo test --test it eight");
    let items = number("PHASELOG_TEST_ITEMS", 1_000);
    let lab = Lab::new()
        .env("PHASELOG_SEGMENT_BYTES", "131072")
        .env("PHASELOG_COMPACT", "auto");
    let houses: Vec<String> = (1..=items)
        .map(|n| format!("{n} N Example St, Phoenix"))
        .collect();
    lab.write("houses.txt", &houses.join("\n"));
    let init = ["init", "--linear", "--phase", "list", "--phase", "photos"];
    lab.must(&[&init[..], &["--items", "houses.txt"]].concat());

    let (witness, actions) = (
        Mutex::new(Witness::default()),
        number("PHASELOG_TEST_ACTIONS", 8),
    );
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (lab, witness) = (&lab, &witness);
            let random = Random(seed ^ (worker + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            scope.spawn(move || disturbed(lab, witness, random, worker, actions));
        }
    });
    // What the last ones that were killed left behind is handed back at once, and done.
    let (mut last, mut receipts) = spawn(&lab, "last");
    while next(&mut receipts, &witness) {}
    assert_eq!(last.wait().expect("it ends").code(), Some(0));
    check(
        &lab,
        &witness.into_inner().expect("no thread failed"),
        items,
    );
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn spawn(lab: &Lab, name: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = lab
        .command(&["--json", "demo-worker", "--owned", "--name", name])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let receipts = BufReader::new(child.stdout.take().expect("it was piped"));
    (child, receipts)
}

/// Takes note of what a worker says next; false at its end. A line without its newline was never said in full.
fn next(from: &mut BufReader<ChildStdout>, witness: &Mutex<Witness>) -> bool {
    let mut line = String::new();
    from.read_line(&mut line).expect("receipts are text");
    if !line.ends_with('\n') {
        return false;
    }
    let said: Value = serde_json::from_str(&line).expect("a receipt is JSON");
    note(&said, witness);
    true
}

fn note(said: &Value, witness: &Mutex<Witness>) {
    let mut witness = witness.lock().expect("no thread failed");
    let seq = said["seq"].as_u64();
    match said["event"].as_str() {
        Some("started") => {
            let before = witness.began.insert(seq.expect("a token"), place(said));
            assert_eq!(before, None, "one token was given to two");
        }
        // A late report that repeats one is unchanged and has no seq.
        Some("completed") => witness.completed.extend(seq),
        _ => witness.refused += 1,
    }
}

fn place(of: &Value) -> Place {
    let text = |key: &str| of[key].as_str().expect("it has a name").to_owned();
    (text("item"), text("phase"))
}

/// Starts a worker again and again, and kills it, or stops it and gives its work away before it goes on.
fn disturbed(lab: &Lab, witness: &Mutex<Witness>, mut random: Random, worker: u64, actions: u64) {
    for action in 0..actions {
        let (mut child, mut receipts) = spawn(lab, &format!("w{worker}-{action}"));
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process has an id");
        for _ in 0..random.below(24) {
            if !next(&mut receipts, witness) {
                break;
            }
        }
        if random.below(3) > 0 {
            kill_process(pid, Signal::STOP).expect("it is ours");
            witness.lock().expect("no thread failed").stopped += 1;
            give_away(lab, witness, &mut random, child.id());
            kill_process(pid, Signal::CONT).expect("it is ours");
            for _ in 0..random.below(6) {
                next(&mut receipts, witness);
            }
        }
        let mut locked = witness.lock().expect("no thread failed");
        locked.killed.insert(u64::from(child.id()));
        drop(locked);
        child.kill().expect("a child can be killed");
        while next(&mut receipts, witness) {}
        let code = child.wait().expect("it is dead").code();
        assert!(matches!(code, None | Some(0)), "ended with {code:?}");
    }
}

/// Hands back, under some clock or other, what is in progress, takes some of it and completes it.
/// `pid` is the process that stands for whoever takes it: what it does not get done is handed back when that is killed.
fn give_away(lab: &Lab, witness: &Mutex<Witness>, random: &mut Random, pid: u32) {
    let now = [
        "2099-01-01T00:00:00Z",
        "2001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ];
    let now = now[usize::try_from(random.below(5))
        .expect("small")
        .saturating_sub(2)];
    // A stopped process may hold the lock: then nothing can be given away before it goes on.
    let run = |args: &[&str]| {
        let output = lab
            .command(args)
            .env("PHASELOG_LOCK_TIMEOUT", "200ms")
            .output()
            .expect("the program starts");
        let stdout = String::from_utf8(output.stdout).expect("it is text");
        (output.status.code().expect("nobody kills it"), stdout)
    };
    let (resumed, _) = run(&["--now", now, "resume", "-q"]);
    assert!(matches!(resumed, 0 | 11), "resume ended with {resumed}");
    let (limit, pid) = ((1 + random.below(8)).to_string(), pid.to_string());
    let claim = ["--format", "jsonl", "claim", "--worker", "thief"];
    let (claimed, lines) = run(&[&claim[..], &["--limit", &limit, "--pid", &pid]].concat());
    assert!(
        matches!(claimed, 0 | 4 | 9 | 11),
        "claim ended with {claimed}"
    );
    for line in lines.lines() {
        let started: Value = serde_json::from_str(line).expect("a receipt is JSON");
        note(&started, witness);
        let (item, phase) = place(&started);
        let token = started["token"].to_string();
        let complete = ["--json", "complete", &item, &phase, "--token", &token];
        // Whoever holds the lock goes on when this thread says so, or another.
        match run(&complete) {
            (0, receipt) => note(&serde_json::from_str(&receipt).expect("JSON"), witness),
            (5, _) => witness.lock().expect("no thread failed").refused += 1,
            (11, _) => {
                let (given_up, _) = run(&["release", &item, &phase, "--token", &token]);
                assert!(
                    matches!(given_up, 0 | 5 | 8 | 11),
                    "release ended with {given_up}"
                );
            }
            (other, receipt) => panic!("complete ended with {other}: {receipt}"),
        }
    }
}

/// One phase of one item, as the log has it.
#[derive(Debug, Default)]
struct Folded {
    token: Option<u64>,
    running: bool,
    completed: usize,
    /// The seqs of the records that took it back.
    taken_back: Vec<u64>,
}

/// Holds the log against the rules, and against what was seen beside it.
fn check(lab: &Lab, witness: &Witness, items: u64) {
    let found = read_log(&lab.path("data"));
    let mut phases: BTreeMap<Place, Folded> = BTreeMap::new();
    let (mut resets, mut refusals) = (0, 0);
    for (record, seq) in found.records.iter().zip(1..) {
        let event = record["event"].as_str().expect("a record has an event");
        if record["phase"].is_null() || event == "planned" {
            continue;
        }
        let phase = phases.entry(place(record)).or_default();
        let token = record["token"].as_u64();
        match event {
            "started" => {
                assert!(
                    !phase.running && phase.completed == 0,
                    "given to two: {record}"
                );
                (phase.token, phase.running) = (Some(seq), true);
            }
            "completed" => {
                assert_eq!(token, phase.token, "a superseded token: {record}");
                assert_eq!(record["late"] == true, !phase.running, "{record}");
                phase.completed += 1;
                phase.running = false;
            }
            "reset" | "released" => {
                assert!(phase.running && token == phase.token, "{record}");
                phase.running = false;
                phase.taken_back.push(seq);
                if event == "reset" {
                    resets += 1;
                    check_reset(record, witness);
                }
            }
            "rejected" => {
                assert_ne!(token, phase.token, "{record}");
                refusals += 1;
            }
            "renewed" => {}
            other => panic!("nobody asked for {other}: {record}"),
        }
    }
    assert_eq!(phases.len() as u64, 2 * items);
    for (place, phase) in &phases {
        assert_eq!(phase.completed, 1, "{place:?}");
    }
    let doubles = check_witness(witness, &found.records, &phases);
    println!(
        "{} phases, {} records in {} segments; {} kills, {} stops, {resets} resets, {refusals} kinds of refusals on record, {} refused, {doubles} done again, each behind a reset",
        phases.len(),
        found.records.len(),
        found.segments,
        witness.killed.len(),
        witness.stopped,
        witness.refused,
    );
    assert!(resets > 0 && witness.stopped > 0, "nothing was disturbed");
    // What a kill cut off, and left lying about, is a warning.
    let verified = lab.run(&["verify", "--deep"]);
    assert!(matches!(verified.exit, Some(0 | 3)), "{}", verified.text());
    let status: Value =
        serde_json::from_str(&lab.must(&["status", "--json"]).stdout).expect("JSON");
    assert_eq!(status["items"]["completed"], items);
}

/// Only a dead owner, or a clock that somebody gave, takes work away: nobody here is silent for half an hour.
fn check_reset(record: &Value, witness: &Witness) {
    match record["cause"].as_str() {
        Some("owner_dead") => {
            let pid = record["evidence"]["owner"]["pid"]
                .as_u64()
                .expect("it had an owner");
            assert!(witness.killed.contains(&pid), "it lived: {record}");
        }
        Some("timeout") => assert_eq!(record["clock"], "given", "{record}"),
        other => panic!("{other:?}: {record}"),
    }
}

/// What was said is in the log, and whatever was begun again had been taken back before. Returns how much was.
fn check_witness(witness: &Witness, records: &[Value], phases: &BTreeMap<Place, Folded>) -> usize {
    let record = |seq: u64| &records[usize::try_from(seq - 1).expect("it fits")];
    let mut begun: BTreeMap<&Place, Vec<u64>> = BTreeMap::new();
    for (&token, begun_place) in &witness.began {
        let started = record(token);
        assert_eq!(
            (&started["event"], place(started)),
            (&"started".into(), begun_place.clone())
        );
        begun.entry(begun_place).or_default().push(token);
    }
    for &seq in &witness.completed {
        assert_eq!(record(seq)["event"], "completed", "record {seq}");
    }
    let mut doubles = 0;
    for (begun_place, tokens) in begun {
        let taken_back = &phases[begun_place].taken_back;
        for pair in tokens.windows(2) {
            doubles += 1;
            let explained = taken_back.iter().any(|&seq| pair[0] < seq && seq < pair[1]);
            assert!(
                explained,
                "{begun_place:?} was begun as {pair:?}, and nothing stands between"
            );
        }
    }
    doubles
}
