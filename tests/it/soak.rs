//! `crash-test` as users run it: several processes on one store, killed at random and cut in their writes, hurt copies,
//! small disks, failing calls, power cuts. Here a few cycles; the long run, with two thousand kills and more:
//! `PHASELOG_TEST_FULL=1 cargo test --test it soak -- --nocapture`.

use serde_json::Value;

use crate::support::Lab;

#[test]
fn a_crash_test_finds_nothing_and_leaves_nothing() {
    let full = std::env::var_os("PHASELOG_TEST_FULL").is_some();
    let cycles = if full { "600" } else { "12" };
    // A directory that somebody's store is in, and where the variables point to it.
    let lab = Lab::with_store().env("PHASELOG_STORE", "data");
    let before = files(&lab);
    let args = ["crash-test", "--cycles", cycles, "--report", "told.json"];
    let output = lab.run(&args);
    println!("{}", output.stdout);
    assert_eq!(output.exit, Some(0), "{}", output.text());
    assert_eq!(output.stderr, "", "no progress but on a terminal");
    let told = std::fs::read_to_string(lab.path("told.json")).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let row = |part: &str| {
        let mut parts = told["parts"].as_array().unwrap().iter();
        parts.find(|row| row["part"] == part).cloned()
    };
    let number = |part: &str, key: &str| row(part).unwrap()[key].as_u64().unwrap();
    for part in told["parts"].as_array().unwrap() {
        assert_eq!((&part["lost"], &part["silent"]), (&0.into(), &0.into()));
    }
    let kills = number("kills", "kills") + number("cut writes", "kills");
    assert!(kills >= if full { 2_000 } else { 40 }, "{told}");
    assert!(number("kills", "acknowledged") > kills, "{told}");
    assert!(number("hurt copies", "checked") >= 400, "{told}");
    assert!(number("power cuts", "checked") > 100, "{told}");
    if let Some(row) = row("full disk") {
        assert!(row["kills"].as_u64() > Some(10), "{told}");
    } else {
        let why = told["skipped"][0]["why"].as_str().unwrap();
        println!("skipped: full disk: {why}");
    }
    std::fs::remove_file(lab.path("told.json")).unwrap();
    assert_eq!(
        files(&lab),
        before,
        "the store was touched, or files were left"
    );
    let again = format!("--cycles {cycles} --seed {}", told["seed"]);
    assert!(output.stdout.contains(&again), "{}", output.text());
}

/// Every file below the directory, with its bytes.
fn files(lab: &Lab) -> Vec<(String, Vec<u8>)> {
    fn walk(dir: &std::path::Path, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    let mut found = Vec::new();
    walk(&lab.path("."), &mut found);
    found.sort();
    found
}

#[test]
fn a_crash_test_says_what_it_cannot_do() {
    let lab = Lab::new();
    lab.write("there.json", "mine");
    let taken = lab.run(&["crash-test", "--cycles", "1", "--report", "there.json"]);
    assert_eq!(taken.exit, Some(1), "{}", taken.text());
    assert_eq!(std::fs::read(lab.path("there.json")).unwrap(), b"mine");
    let hint = "hint: it is there already: name another, or move it away";
    assert!(taken.stderr.contains(hint), "{}", taken.text());
    let nowhere = lab.run(&["crash-test", "--cycles", "1", "--dir", "no/such"]);
    assert_eq!(nowhere.exit, Some(1), "{}", nowhere.text());
    assert_eq!(lab.run(&["crash-test", "--cycles", "0"]).exit, Some(2));
    assert_eq!(std::fs::read_dir(lab.path(".")).unwrap().count(), 1);
}

#[test]
fn a_crash_test_is_made_in_no_store() {
    let lab = Lab::with_store();
    std::fs::create_dir_all(lab.path("data/mine/deep")).unwrap();
    std::os::unix::fs::symlink(lab.path("data/mine"), lab.path("link")).unwrap();
    let before = files(&lab);
    for dir in [
        "data",
        "data/",
        "data/wal",
        "data/mine",
        "data/mine/deep",
        "link",
    ] {
        let refused = lab.run(&["crash-test", "--dir", dir, "--report", "told.json"]);
        assert_eq!(refused.exit, Some(2), "{dir}: {}", refused.text());
        let said = "is the directory of a store, or inside of one";
        assert!(refused.stderr.contains(said), "{}", refused.text());
    }
    assert_eq!(files(&lab), before, "something was left");
}

/// The segments of the first store of a crash test that runs, as far as they are there just now.
fn written(lab: &Lab) -> Vec<Vec<u8>> {
    let tests = std::fs::read_dir(lab.path(".")).unwrap();
    let wal = tests.filter_map(|it| Some(it.ok()?.path().join("store1/wal")));
    let names = wal.filter_map(|wal| std::fs::read_dir(wal).ok()).flatten();
    let segments = names.filter_map(|it| Some(it.ok()?.path()));
    let segments = segments.filter(|path| path.extension().is_some_and(|it| it == "wal"));
    let bytes = segments.filter_map(|path| std::fs::read(path).ok());
    bytes.filter(|bytes| bytes.len() > 2_000).collect()
}

/// A crash test that was interrupted left its directory for ever; and its writers lived by what their user had set.
#[test]
fn a_crash_test_that_is_told_to_end_cleans_up() {
    use rustix::process::{Pid, Signal, kill_process};

    let lab = Lab::new().env("PHASELOG_NOW", "2001-01-01T00:00:00Z");
    for (signal, exit, name) in [
        (Signal::TERM, 143_i32, "SIGTERM"),
        (Signal::INT, 130, "SIGINT"),
        (Signal::HUP, 129, "SIGHUP"),
        (Signal::QUIT, 131, "SIGQUIT"),
    ] {
        if crate::run::ignores(exit.unsigned_abs() - 128) {
            println!("skipped: {name} is ignored here");
            continue;
        }
        let args = ["crash-test", "--cycles", "100000", "--seed", "1"];
        let mut child = lab
            .command(&args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // It works when its writers have begun a second segment.
        let log = loop {
            let segments = written(&lab);
            if segments.len() > 1 {
                break segments.concat();
            }
            assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
            std::thread::yield_now();
        };
        let log = String::from_utf8_lossy(&log).into_owned();
        assert!(
            !log.contains("\"clock\":\"given\"") && !log.contains("2001-01-01"),
            "{log}"
        );
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{text}");
        assert!(text.contains(&format!("ended by {name} after")), "{text}");
        assert_eq!(
            std::fs::read_dir(lab.path(".")).unwrap().count(),
            0,
            "{text}"
        );
    }
}

/// A crash test was killed, and its writers went on for ever, in a directory that nobody would clean up.
#[test]
fn a_writer_that_nobody_listens_to_ends() {
    use std::io::{BufRead as _, BufReader};
    let lab = Lab::new();
    let plan = ["--phase", "county", "--phase", "listing:needs=county"];
    lab.must(&[&["init"], &plan[..], &["100 N Example St"]].concat());
    let args = ["crash-writer", "--seed", "7", "--steps", "3000"];
    let mut child = lab
        .command(&args)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    drop(said);
    child.wait().unwrap();
    let log = lab.run(&["--format", "jsonl", "log"]);
    let records = log.stdout.lines().count();
    assert!(records < 200, "{records} records, after {line}");
}
