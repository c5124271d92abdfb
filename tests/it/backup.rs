//! Backups: each opens, verifies and is whole, also when writers run beside it, and one that was cut short is none.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan};
use phaselog::store::backup::backup;
use phaselog::store::verify::{Extent, Verdict, verify};
use phaselog::testing::{CallKind, Errno, Failure, Fault, SimDisk};
use phaselog::{Error, Options, Store, View};
use serde_json::Value;

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

/// The output with the head of the log, which hangs on its random id, replaced.
fn without_head(output: Output) -> Output {
    let is_hex = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let text = output.stdout.clone();
    let head = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(is_hex);
    match head.map(str::to_owned) {
        Some(head) => output.with(&head, "[HEAD]"),
        None => output,
    }
}

#[test]
fn a_backup_says_what_it_has() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T08:00:00Z");
    lab.write(
        "old.json",
        r#"{"work_items":[{"address":"1 Example St","phases":{"p1":{"status":"pending"}}}]}"#,
    );
    lab.must(&["import", "old.json"]);
    lab.must(&["compact"]);
    lab.must(&["hold", "1 Example St"]);
    std::fs::create_dir(lab.path("empty")).unwrap();
    let text = without_head(lab.must(&["backup", "there"]));
    let json = without_head(lab.must(&["--json", "backup", "empty"]));
    let refused = lab.both(&["backup", "there"]);
    let [refused, refused_json] = refused;
    let inside = lab.run(&["backup", "data/wal/copy"]);
    shows(
        "backup__whole",
        &[text, json, refused, refused_json, inside],
    );
    for copy in ["there", "empty"] {
        let verified = lab.run(&["-s", copy, "verify", "--deep"]);
        assert_eq!((verified.exit, &*verified.stdout), (Some(0), ""));
        for file in ["work_items.json", "wal/mark", "wal/lock"] {
            assert!(lab.path(copy).join(file).exists(), "{file}");
        }
        let imported = std::fs::read_dir(lab.path(copy).join("wal/imported")).unwrap();
        assert_eq!(imported.count(), 1);
        let there = lab.must(&["-s", copy, "--json", "list"]).stdout;
        assert_eq!(there, lab.must(&["--json", "list"]).stdout);
    }
}

#[test]
fn a_restored_backup_goes_on_beyond_every_token() {
    let lab = Lab::with_store();
    lab.must(&["backup", "copy"]);
    let late: u64 = lab.start(HOUSE, "list").parse().unwrap();
    lab.must(&["-s", "copy", "repair", "--restored", "--apply"]);
    let token = lab.must(&["-s", "copy", "start", HOUSE, "list"]).stdout;
    assert!(token.trim().parse::<u64>().unwrap() > late + 1000);
    let refused = lab.run(&[
        "-s",
        "copy",
        "complete",
        HOUSE,
        "list",
        "--token",
        &late.to_string(),
    ]);
    assert_eq!(refused.exit, Some(5), "{}", refused.text());
}

#[test]
fn a_target_that_is_taken_is_left_alone() {
    let lab = Lab::with_store();
    lab.write("file", "mine");
    std::fs::create_dir(lab.path("full")).unwrap();
    lab.write("full/mine", "");
    std::fs::create_dir(lab.path("real")).unwrap();
    std::os::unix::fs::symlink(lab.path("real"), lab.path("link")).unwrap();
    std::os::unix::fs::symlink(lab.path("data"), lab.path("into")).unwrap();
    for (target, exit) in [
        ("file", 1),
        ("full", 1),
        ("link", 1),
        ("no/such/parent", 1),
        ("data", 2),
        ("data/new", 2),
        ("into/new", 2),
        ("/", 1),
    ] {
        let refused = lab.run(&["backup", target]);
        assert_eq!(refused.exit, Some(exit), "{}", refused.text());
    }
    let names = |dir: &str| std::fs::read_dir(lab.path(dir)).unwrap().count();
    assert_eq!((names("full"), names("real"), names(".")), (1, 0, 6));
}

#[test]
fn a_hurt_store_gives_no_backup() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    let first = lab.path("data/wal/00000000000000000001.wal");
    let mut bytes = std::fs::read(&first).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    // The snapshot hides it from all others that only read.
    lab.must(&["status"]);
    let refused = lab.run(&["backup", "copy"]);
    assert_eq!(refused.exit, Some(7), "{}", refused.text());
    assert_eq!(std::fs::read_dir(lab.path(".")).unwrap().count(), 1);
}

/// What a snapshot cannot cover: bytes that a repair set aside, a file that somebody edited.
#[test]
fn what_is_kept_is_copied_and_what_is_not_is_said() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    let root = std::fs::read_to_string(lab.path("data/work_items.json")).unwrap();
    lab.write("data/work_items.json", &root.replace("pending", "edited"));
    lab.must(&["compact", "--discard-edits"]);
    lab.write("data/work_items.json", &root.replace("pending", "again"));
    std::os::unix::fs::symlink("nowhere", lab.path("data/wal/quarantine/link")).unwrap();
    let made = lab.must(&["backup", "copy"]);
    for said in [
        "work_items.json is not copied: it was changed by another program",
        "quarantine/link is not copied: it is no regular file",
    ] {
        assert!(made.stderr.contains(said), "{}", made.text());
    }
    let kept = |store: &str| {
        let names = std::fs::read_dir(lab.path(store).join("wal/quarantine")).unwrap();
        names.count()
    };
    assert_eq!((kept("data"), kept("copy")), (2, 1));
    assert_eq!(lab.run(&["-s", "copy", "verify", "--deep"]).exit, Some(0));
}

/// The demo's workers append, rotate and compact meanwhile; each backup is whole, has whatever was acknowledged before
/// it began, and is a part of the history that the store has in the end.
#[test]
fn backups_beside_live_writers_are_whole() {
    let lab = Lab::new()
        .env("PHASELOG_SEGMENT_BYTES", "3000")
        .env("PHASELOG_COMPACT", "always");
    let items: Vec<String> = (1..=150).map(|n| format!("{n} N Example St")).collect();
    lab.write("houses.txt", &items.join("\n"));
    let init = ["init", "--phase", "a", "--phase", "b:needs=a", "--items"];
    lab.must(&[&init[..], &["houses.txt"]].concat());
    let mut workers: Vec<_> = ["w1", "w2", "w3"]
        .map(|name| {
            let args = ["--json", "demo-worker", "--name", name, "--jobs", "60"];
            let group = ["--add", "3", "--pad-bytes", "100"];
            let mut command = lab.command(&[&args[..], &group].concat());
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .into();
    let mut receipts = BufReader::new(workers[0].stdout.take().unwrap());
    let (mut made, mut seen) = (Vec::new(), 0);
    let mut line = String::new();
    // One backup after every sixth receipt of one worker: the others go on all the time.
    while receipts.read_line(&mut line).unwrap() > 0 {
        let receipt: Value = serde_json::from_str(&line).unwrap();
        line.clear();
        seen += 1;
        if seen % 6 != 1 || made.len() >= 20 {
            continue;
        }
        let name = format!("copy{}", made.len());
        let told = lab.command(&["--json", "backup", &name]).output().unwrap();
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(told["complete"], true, "{told}");
        assert!(
            told["seq"].as_u64() >= receipt["seq"].as_u64(),
            "{told} lacks {receipt}"
        );
        made.push((name, told));
    }
    // The others are not read from: a full pipe would stop them.
    for worker in &mut workers {
        drop(worker.stdout.take());
        let _ = worker.wait().unwrap();
    }
    let mut with_snapshot = 0;
    for (name, told) in &made {
        let verified = lab.run(&["-s", name, "verify", "--deep"]);
        assert_eq!(verified.exit, Some(0), "{}", verified.text());
        let (seq, head) = (&told["seq"].to_string(), told["head"].as_str().unwrap());
        lab.must(&["verify", "--expect-head", head, "--at", seq]);
        with_snapshot += usize::from(!told["snapshot_seq"].is_null());
    }
    println!(
        "{} backups beside 3 writers, {with_snapshot} of them with snapshots",
        made.len()
    );
    assert!(made.len() >= 10, "the worker hardly worked");
    assert!(with_snapshot > 0, "no backup had a snapshot");
}

const DIR: &str = "data";

fn options() -> Options {
    Options {
        segment_bytes: 600,
        ..Options::default()
    }
}

/// A store of several segments, with a snapshot, on a simulated disk.
fn simulated() -> SimDisk {
    let disk = SimDisk::new();
    let ports = disk.ports_for("setup");
    let phase = Phase::new("p").unwrap();
    let plan = Plan::new(vec![PhasePlan::named(phase.clone())]).unwrap();
    let name = |name: &str| ItemId::new(name).unwrap();
    let items = HOUSES.map(|house| NewItem {
        name: name(house),
        id: None,
    });
    let _ = Store::init(&ports, Path::new(DIR), &options(), &plan, &items).unwrap();
    let mut store = Store::open(ports, Path::new(DIR), options()).unwrap();
    for (index, house) in HOUSES.iter().enumerate() {
        let start = Command::Start {
            item: name(house),
            phase: phase.clone(),
            worker: None,
            owner: None,
        };
        let _ = store.submit(&start).unwrap();
        if index == 1 {
            let _ = store.compact(false).unwrap();
        }
    }
    disk.settle();
    disk
}

/// Killed at every call, then the power is cut: there is no backup, or the whole of it.
#[test]
fn a_backup_that_is_cut_short_is_none() {
    let base = simulated();
    let whole = View::open(&base.ports_for("r"), Path::new(DIR), &options()).unwrap();
    let (mut states, mut finished) = (0, 0);
    for call in 1.. {
        let disk = base.fork();
        let ports = disk.ports_for("b");
        disk.kill_at("b", call);
        let made = backup(&ports, Path::new(DIR), &options(), Path::new("copy"));
        let acknowledged = made.is_ok();
        for after in disk.crash_states(60) {
            states += 1;
            let ports = after.ports_for("r");
            let there = ports.disk.exists(Path::new("copy")).unwrap();
            assert!(there || !acknowledged, "a backup is gone");
            if there {
                let deep = Extent {
                    deep: true,
                    head: None,
                };
                let verified = verify(&ports, Path::new("copy"), &options(), &deep).unwrap();
                assert_eq!(verified.verdict, Verdict::Clean, "{verified:?}");
                assert_eq!(verified.last_seq, whole.last_seq());
                finished += 1;
            }
            let view = View::open(&ports, Path::new(DIR), &options()).unwrap();
            assert_eq!(view.state().items(), whole.state().items());
        }
        if acknowledged {
            break;
        }
    }
    println!("backup: {states} states, {finished} with the whole of it, 0 with a part");
    assert!(finished > 0 && states > finished);
}

/// Every call fails once, with every error: then there is no backup, or a whole one, and the store is as it was.
#[test]
fn a_backup_that_hits_an_error_is_none() {
    let base = simulated();
    let mut failed = 0;
    for errno in Errno::ALL {
        for nth in 1.. {
            let disk = base.fork();
            let ports = disk.ports_for("b");
            disk.fail(Fault::new(Failure::Error(errno)).by("b").nth(nth));
            let made = backup(&ports, Path::new(DIR), &options(), Path::new("copy"));
            let calls = disk.calls("b");
            disk.clear_faults();
            let ports = disk.ports_for("r");
            let there = ports.disk.exists(Path::new("copy")).unwrap();
            match made {
                Ok(made) => {
                    assert!(there);
                    let extent = Extent::default();
                    let copy = verify(&ports, Path::new("copy"), &options(), &extent).unwrap();
                    assert!(copy.verdict <= Verdict::Warnings, "{copy:?}");
                    assert_eq!(copy.last_seq, made.last_seq);
                }
                // Only a failed sync of its last name leaves one that may still go.
                Err(Error::Io { action: "sync", .. }) => failed += 1,
                Err(_) => {
                    assert!(!there, "{errno:?} at call {nth}");
                    failed += 1;
                }
            }
            if nth > calls {
                break;
            }
        }
    }
    println!("backup: {failed} errors, no half of a backup");
    assert!(failed > 100);
    // A full disk is told as what it is.
    let disk = base.fork();
    let full = Fault::new(Failure::Error(Errno::Enospc)).on(CallKind::WriteAt);
    disk.fail(full.from_then_on());
    let ports = disk.ports_for("b");
    let error = backup(&ports, Path::new(DIR), &options(), Path::new("copy")).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
}
