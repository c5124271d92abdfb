//! Odd stores: files gone, of the wrong kind, of somebody else's history. What can be read is shown, what cannot is said.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use phaselog::log::frame;

use crate::support::{HOUSE, Lab, Output};

/// The JSON that a command printed.
fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_late_report_shows_its_duration() {
    let lab = Lab::with_store();
    let token = lab.start(HOUSE, "list");
    lab.must(&["release", HOUSE, "list"]);
    lab.must(&["complete", HOUSE, "list", "--token", &token]);
    let told = json(&lab.must(&["--json", "history", HOUSE]));
    let last = told["records"].as_array().unwrap().last().unwrap();
    assert_eq!(last["late"], true, "{last}");
    assert!(last["derived"]["took_secs"].is_number(), "{last}");
}

#[test]
fn an_empty_wal_is_no_store_and_its_path_is_absolute() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path("mnt/wal")).unwrap();
    let refused = lab.run(&["-s", "mnt", "status"]);
    assert_eq!(refused.exit, Some(10), "{refused:?}");
    assert!(
        refused.stderr.contains("no store at [DIR]/mnt"),
        "{refused:?}"
    );
}

#[test]
fn a_replay_never_writes_into_the_store() {
    let lab = Lab::with_store();
    std::fs::create_dir_all(lab.path("out")).unwrap();
    std::fs::create_dir(lab.path("data/wal/sub")).unwrap();
    symlink(lab.path("data/wal"), lab.path("out/way-in")).unwrap();
    let absolute = lab.path("data/wal").display().to_string();
    for dir in [
        "data",
        "data/",
        "data/wal",
        "data/wal/sub",
        "data/wal/new",
        "data/new",
        "out/way-in",
        "out/way-in/sub/../new",
        "out/../data/wal",
        &absolute,
    ] {
        let refused = lab.run(&["replay", "-o", dir]);
        assert_eq!(refused.exit, Some(2), "{dir}: {refused:?}");
        assert!(
            refused.stderr.contains("a replay is written elsewhere"),
            "{refused:?}"
        );
    }
    assert!(!lab.path("data/wal/work_items.json").exists());
    assert!(!lab.path("data/wal/new").exists() && !lab.path("data/new").exists());
    lab.must(&["replay", "-o", "out"]);
    lab.must(&["replay", "-o", "out/../beside"]);
    assert!(lab.path("beside/work_items.json").exists());
}

/// The path of the last segment.
fn last_segment(lab: &Lab) -> PathBuf {
    let names = std::fs::read_dir(lab.path("data/wal")).expect("as the test made it");
    let paths = names.map(|entry| entry.expect("as the test made it").path());
    let segments = paths.filter(|path| path.extension().is_some_and(|it| it == "wal"));
    segments.max().expect("as the test made it")
}

/// A store with a snapshot at 6 (the segment behind it begins with 7), and the house begun after it.
fn compacted() -> Lab {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    lab.start(HOUSE, "list");
    lab
}

/// Both tell what is there, and that it is not all: with file, byte and record.
fn tells_what_is_missing(lab: &Lab, file: &str, seq: u64) {
    let history = lab.run(&["--json", "history", HOUSE]);
    assert_eq!(history.exit, Some(7), "{history:?}");
    let told = json(&history);
    assert_eq!(told["complete"], false, "{told}");
    let place = &told["unreadable"][0];
    assert_eq!(
        (place["file"].as_str(), place["seq"].as_u64()),
        (Some(file), Some(seq)),
        "{told}"
    );
    assert!(place["byte"].is_number(), "{told}");
    assert_eq!(told["records"][0]["event"], "added", "{told}");
    let log = lab.run(&["--json", "log"]);
    assert_eq!(
        (log.exit, &json(&log)["complete"]),
        (Some(7), &false.into())
    );
    for args in [&["history", HOUSE][..], &["log"], &["log", "--since", "@2"]] {
        let text = lab.run(args);
        assert_eq!(text.exit, Some(7), "{text:?}");
        assert!(text.stderr.contains(&format!("record {seq}")), "{text:?}");
    }
}

#[test]
fn a_missing_end_is_told_by_whoever_attests_it() {
    for witness in ["the mark", "the snapshot"] {
        let lab = compacted();
        let last = last_segment(&lab);
        std::fs::remove_file(&last).unwrap();
        if witness == "the snapshot" {
            std::fs::remove_file(lab.path("data/wal/mark")).unwrap();
        }
        let status = lab.run(&["status"]);
        assert_eq!(status.exit, Some(7), "{status:?}");
        let gone = last.file_name().unwrap().to_str().unwrap();
        let attests = format!("{witness} at ");
        assert!(status.stderr.contains(&attests), "{status:?}");
        assert!(!status.stderr.contains("the name of"), "{status:?}");
        let history = json(&lab.run(&["--json", "history", HOUSE]));
        let file = history["unreadable"][0]["file"]
            .as_str()
            .unwrap()
            .to_owned();
        let seq: u64 = gone.trim_end_matches(".wal").parse().unwrap();
        assert!(witness == "the mark" || file.ends_with(gone), "{history}");
        tells_what_is_missing(&lab, &file, seq);
        assert_eq!(lab.run(&["verify"]).exit, Some(7));
    }
}

#[test]
fn lines_cut_off_the_end_are_told() {
    let lab = compacted();
    lab.must(&["release", HOUSE, "list"]);
    let last = last_segment(&lab);
    let text = std::fs::read_to_string(&last).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let seq: u64 = lines[lines.len() - 2]
        .split(' ')
        .nth(2)
        .unwrap()
        .parse()
        .unwrap();
    std::fs::write(&last, lines[..lines.len() - 2].concat()).unwrap();
    let file = format!("wal/{}", last.file_name().unwrap().to_str().unwrap());
    tells_what_is_missing(&lab, &file, seq);
    // What was asked for lies before it, and is whole.
    let until = format!("@{}", seq - 2);
    lab.must(&["history", HOUSE, "--until", &until]);
}

#[test]
fn an_ambiguous_tail_is_told() {
    let lab = compacted();
    let last = last_segment(&lab);
    let mut text = std::fs::read_to_string(&last).unwrap();
    let seq = text.lines().count() as u64 + first_seq(&last);
    text.push_str("hello world\n");
    std::fs::write(&last, text).unwrap();
    let status = lab.run(&["--json", "status"]);
    assert!(status.stderr.contains("E-AMBIGUOUS-TAIL"), "{status:?}");
    let file = format!("wal/{}", last.file_name().unwrap().to_str().unwrap());
    tells_what_is_missing(&lab, &file, seq);
}

fn first_seq(segment: &Path) -> u64 {
    segment
        .file_stem()
        .expect("a segment has a number")
        .to_str()
        .expect("a segment has a number")
        .parse()
        .expect("a segment has a number")
}

/// The line of a record with another payload, every checksum right.
fn rewritten(line: &str, change: impl Fn(&str) -> String) -> String {
    let frame = frame::parse(line.trim_end().as_bytes()).expect("as the test made it");
    let mut bytes = Vec::new();
    frame::encode(
        &mut bytes,
        frame.previous,
        frame.seq,
        frame.durable,
        &change(frame.payload),
    );
    String::from_utf8(bytes).expect("as the test made it")
}

#[test]
fn a_newer_segment_behind_is_told_and_shown_raw() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    let last = last_segment(&lab);
    let text = std::fs::read_to_string(&last).unwrap();
    let header = text.split_inclusive('\n').next().unwrap();
    let newer = rewritten(header, |payload| {
        payload.replace("\"min_reader\":1", "\"min_reader\":2")
    });
    assert_ne!(newer, header);
    std::fs::write(&last, newer).unwrap();
    assert_eq!(lab.run(&["status"]).exit, Some(12));
    let file = format!("wal/{}", last.file_name().unwrap().to_str().unwrap());
    tells_what_is_missing(&lab, &file, first_seq(&last));
    let log = json(&lab.run(&["--json", "log"]));
    let raw = log["records"].as_array().unwrap();
    assert!(raw.iter().any(|record| record["min_reader"] == 2), "{log}");
}

#[test]
fn a_malformed_event_is_no_newer_version() {
    let lab = Lab::with_store();
    lab.start(HOUSE, "list");
    let last = last_segment(&lab);
    let text = std::fs::read_to_string(&last).unwrap();
    let line = text.split_inclusive('\n').next_back().unwrap();
    let hurt = rewritten(line, |payload| {
        payload.replace("\"phase\":\"list\"", "\"phase\":7")
    });
    std::fs::write(&last, text.replace(line, &hurt)).unwrap();
    let log = lab.run(&["log"]);
    assert_eq!(log.exit, Some(7), "{log:?}");
    assert!(!format!("{log:?}").contains("newer"), "{log:?}");
    assert!(log.stderr.contains("no event"), "{log:?}");
    assert_eq!(lab.run(&["verify"]).exit, Some(7));
    let history = lab.run(&["--json", "history", HOUSE]);
    assert_eq!(
        (history.exit, &json(&history)["complete"]),
        (Some(7), &false.into())
    );
}

/// The codes that verify finds, with its exit status.
fn verify(lab: &Lab) -> (Option<i32>, Vec<String>) {
    let output = lab.run(&["--json", "verify"]);
    let told = json(&output);
    let findings = told["findings"]
        .as_array()
        .expect("as the test made it")
        .iter();
    let codes = findings.map(|finding| {
        finding["code"]
            .as_str()
            .expect("as the test made it")
            .to_owned()
    });
    (output.exit, codes.collect())
}

#[test]
fn a_mark_that_is_no_file_counts_nothing_and_is_a_finding() {
    for kind in ["symlink", "directory"] {
        let lab = compacted();
        let mark = lab.path("data/wal/mark");
        std::fs::remove_file(&mark).unwrap();
        match kind {
            "symlink" => symlink("lock", &mark).unwrap(),
            _ => std::fs::create_dir(&mark).unwrap(),
        }
        assert_eq!(verify(&lab), (Some(3), vec!["V-MARK".to_owned()]), "{kind}");
        lab.must(&["status"]);
        lab.must(&["history", HOUSE]);
        lab.must(&["log"]);
    }
}

#[test]
fn a_segment_that_is_no_file_is_damage_and_the_rest_is_read() {
    for kind in ["symlink", "directory"] {
        for which in ["first", "last"] {
            let lab = compacted();
            lab.must(&["release", HOUSE, "list"]);
            let last = last_segment(&lab);
            let path = match which {
                "first" => lab.path("data/wal/00000000000000000001.wal"),
                _ => last,
            };
            std::fs::rename(&path, lab.path("elsewhere")).unwrap();
            match kind {
                "symlink" => symlink(lab.path("elsewhere"), &path).unwrap(),
                _ => std::fs::create_dir(&path).unwrap(),
            }
            let (exit, codes) = verify(&lab);
            assert_eq!(exit, Some(7), "{kind} {which}");
            assert!(codes.contains(&"V-SEGMENT".to_owned()), "{codes:?}");
            let log = lab.run(&["--json", "log"]);
            assert_eq!(log.exit, Some(7), "{kind} {which}: {log:?}");
            assert!(!json(&log)["records"].as_array().unwrap().is_empty());
            // What stands there is not repair's to replace.
            let repair = lab.run(&["repair", "--apply", "--accept-loss", "1..99"]);
            assert!(
                matches!(repair.exit, Some(1 | 7)),
                "{kind} {which}: {repair:?}"
            );
            assert!(!path.is_file() || path.is_symlink());
        }
    }
}

#[test]
fn without_any_segment_verify_still_gives_a_verdict() {
    let lab = compacted();
    for entry in std::fs::read_dir(lab.path("data/wal")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "wal") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let output = lab.run(&["--json", "verify"]);
    let told = json(&output);
    assert_eq!(
        (output.exit, &told["verdict"]),
        (Some(7), &"damaged".into())
    );
    assert_eq!(told["findings"][0]["code"], "V-SEGMENT", "{told}");
    assert_eq!(told["head"], serde_json::Value::Null);
}

#[test]
fn a_snapshot_that_cannot_be_read_is_a_finding_and_no_hindrance() {
    let lab = compacted();
    // More than is ever read: refused as a file of another user would be, for root too.
    let grown = std::process::Command::new("truncate")
        .args(["-s", "5G"])
        .arg(lab.path("data/work_items.json"))
        .status();
    assert!(grown.unwrap().success());
    assert_eq!(verify(&lab), (Some(3), vec!["V-SNAPSHOT".to_owned()]));
    let history = lab.must(&["--json", "history", HOUSE]);
    assert_eq!(json(&history)["complete"], true);
    let log = lab.must(&["log"]);
    assert!(log.stderr.contains("work_items.json"), "{log:?}");
}

/// Two copies of one store go on apart; the snapshot of one is laid beside the log of the other.
#[test]
fn a_snapshot_of_a_forked_copy_is_another_history() {
    for differs in [true, false] {
        let lab = Lab::with_store();
        let copy = Lab::new();
        std::fs::create_dir_all(copy.path("data/wal")).unwrap();
        for entry in std::fs::read_dir(lab.path("data/wal")).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                let to = copy.path("data/wal").join(from.file_name().unwrap());
                std::fs::copy(from, to).unwrap();
            }
        }
        if differs {
            copy.must(&["start", HOUSE, "list", "--worker", "another"]);
        }
        copy.must(&["compact"]);
        lab.start(HOUSE, "list");
        lab.must(&["release", HOUSE, "list"]);
        std::fs::copy(
            copy.path("data/work_items.json"),
            lab.path("data/work_items.json"),
        )
        .unwrap();
        let status = lab.run(&["--json", "status"]);
        assert_eq!(status.exit, Some(7), "{status:?}");
        assert!(
            status.stderr.contains("E-OTHER-LOG"),
            "{differs}: {status:?}"
        );
        let (exit, codes) = verify(&lab);
        assert_eq!((exit, &*codes[0]), (Some(7), "V-OTHER-LOG"), "{codes:?}");
    }
}

#[test]
fn swapped_segments_have_no_head() {
    let lab = compacted();
    let (first, last) = (
        lab.path("data/wal/00000000000000000001.wal"),
        last_segment(&lab),
    );
    let (a, b) = (
        std::fs::read(&first).unwrap(),
        std::fs::read(&last).unwrap(),
    );
    std::fs::write(&first, b).unwrap();
    std::fs::write(&last, a).unwrap();
    let told = lab.run(&["--json", "verify"]);
    assert_eq!(
        (told.exit, &json(&told)["head"]),
        (Some(7), &serde_json::Value::Null)
    );
}
