//! What cannot be mended by us: the hint says what can be done, and never what loses intact records.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::support::{HOUSE, Lab};

/// What puts something in a segment's place.
type Put = fn(&PathBuf);

/// A store of two segments at least, and the path of its last.
fn lab() -> (Lab, PathBuf) {
    let lab = Lab::with_store().env("PHASELOG_SEGMENT_BYTES", "900");
    for n in 0..6 {
        lab.must(&["add", &format!("{n} Mockup Blvd")]);
    }
    let mut segments: Vec<PathBuf> = std::fs::read_dir(lab.path("data/wal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "wal"))
        .collect();
    segments.sort();
    assert!(segments.len() > 1);
    (lab, segments.pop().unwrap())
}

/// The mark attests more than stands there, so the last record that is missing is known; and as the link may lead to the
/// segment, nobody is told to move it away.
#[test]
fn a_segment_that_is_no_file_is_told_in_full_and_moved_nowhere() {
    let kinds: [(&str, Put); 3] = [
        ("link", |path| {
            let real = path.with_file_name("elsewhere");
            std::fs::rename(path, &real).unwrap();
            symlink(real, path).unwrap();
        }),
        ("directory", |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
        ("fifo", |path| {
            std::fs::remove_file(path).unwrap();
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        }),
    ];
    for (kind, put) in kinds {
        let (lab, last) = lab();
        let name = last.file_name().unwrap().to_str().unwrap().to_owned();
        let first: u64 = name.trim_end_matches(".wal").parse().unwrap();
        let mark = std::fs::read_to_string(lab.path("data/wal/mark")).unwrap();
        let mark: u64 = mark.split(' ').nth(2).unwrap().parse().unwrap();
        put(&last);
        let found = lab.run(&["verify"]);
        assert_eq!(found.exit, Some(7), "{kind}: {}", found.text());
        let gone = format!("records {first}..{mark}: it is missing, for its segment");
        assert!(found.stdout.contains(&gone), "{kind}: {}", found.text());
        assert_eq!(found.stdout.lines().count(), 1, "{kind}: {}", found.text());
        let durable = format!("durable through {mark}");
        assert!(found.stderr.contains(&durable), "{kind}: {}", found.text());
        for args in [&["repair"][..], &["repair", "--apply"]] {
            let refused = lab.run(args);
            assert_eq!(refused.exit, Some(7), "{kind}: {}", refused.text());
            let way = if kind == "link" {
                "put the file it leads to in its place"
            } else {
                "back from a backup; if there is none, move away what stands there, which is no file"
            };
            assert!(refused.stderr.contains(way), "{kind}: {}", refused.text());
        }
    }
}

/// A mark that no log reaches was never written by a log: it counts nothing, as one that is hurt. Once the hint was to move
/// the segments away, which were whole.
#[test]
fn a_forged_mark_hides_nothing_and_stops_nobody() {
    let lab = Lab::with_store();
    let covered = format!("phaselog-mark 1 {}", i64::MAX);
    let crc = phaselog::log::Crc::of(covered.as_bytes());
    lab.write(
        "data/wal/mark",
        &format!("{:<63}\n", format!("{covered} {crc}")),
    );
    let found = lab.run(&["verify"]);
    assert_eq!(found.exit, Some(3), "{}", found.text());
    assert!(found.stdout.contains("V-MARK"), "{}", found.text());
    assert_eq!(
        lab.must(&["repair"]).stdout,
        "nothing to do: the log can be read to its end\n"
    );
    lab.start(HOUSE, "list");
    assert_eq!(lab.run(&["verify"]).exit, Some(0));
}

/// Where all segments are gone the files beside them still have the items: that is offered.
#[test]
fn without_any_segment_the_json_files_begin_another_store() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    for entry in std::fs::read_dir(lab.path("data/wal")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "wal") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let refused = lab.run(&["-s", "data", "repair"]);
    assert_eq!(refused.exit, Some(7), "{}", refused.text());
    let way = "phaselog -s NEW import data begins another store with what the JSON files have";
    assert!(refused.stderr.contains(way), "{}", refused.text());
    lab.must(&["-s", "NEW", "import", "data"]);
    assert!(lab.must(&["-s", "NEW", "list"]).stdout.contains(HOUSE));
    std::fs::remove_file(lab.path("data/work_items.json")).unwrap();
    let refused = lab.run(&["repair"]);
    assert!(!refused.stderr.contains("import"), "{}", refused.text());
}

/// What stands in the place of `quarantine/`, or of the flag of a failed sync, is found by verify and named by who stops at it.
#[test]
fn what_stands_in_the_way_of_a_repair_is_named() {
    let hurt = |lab: &Lab| {
        let path = lab.path("data/wal/00000000000000000001.wal");
        let mut bytes = std::fs::read(&path).unwrap();
        // A single bit, so that nothing must be given up.
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    for link in [false, true] {
        let lab = Lab::with_store();
        let quarantine = lab.path("data/wal/quarantine");
        if link {
            symlink(lab.path("."), &quarantine).unwrap();
        } else {
            std::fs::write(&quarantine, "").unwrap();
        }
        let found = lab.run(&["verify"]);
        assert_eq!(found.exit, Some(3), "{}", found.text());
        let said = "V-NAME\twal/quarantine\t\tit is no directory";
        assert!(found.stdout.contains(said), "{}", found.text());
        hurt(&lab);
        let refused = lab.run(&["repair", "--apply"]);
        assert_eq!(refused.exit, Some(1), "{}", refused.text());
        assert!(
            refused.stderr.contains("wal/quarantine"),
            "{}",
            refused.text()
        );
        assert!(
            refused.stderr.contains("move away what stands there"),
            "{}",
            refused.text()
        );
        std::fs::write(lab.path("data/wal/poisoned"), "").unwrap();
        std::fs::remove_file(&quarantine).unwrap();
        assert_eq!(lab.run(&["repair", "--apply"]).exit, Some(0));
        std::fs::write(lab.path("data/wal/poisoned"), "").unwrap();
        std::fs::rename(&quarantine, lab.path("kept")).unwrap();
        std::fs::write(&quarantine, "").unwrap();
        let refused = lab.run(&["add", "another"]);
        assert_eq!(refused.exit, Some(13), "{}", refused.text());
        assert!(
            refused.stderr.contains("move away what stands there"),
            "{}",
            refused.text()
        );
    }
    let lab = Lab::with_store();
    let flag = lab.path("data/wal/poisoned");
    std::fs::create_dir(&flag).unwrap();
    let found = lab.run(&["--json", "verify"]);
    assert_eq!(found.exit, Some(3), "{}", found.text());
    assert!(
        found.stdout.contains("\"next\":\"move it away\""),
        "{}",
        found.text()
    );
    let refused = lab.run(&["add", "another"]);
    assert_eq!(refused.exit, Some(13), "{}", refused.text());
    assert!(
        refused.stderr.contains("move away what stands there"),
        "{}",
        refused.text()
    );
    hurt(&lab);
    let refused = lab.run(&["repair", "--apply"]);
    assert_eq!(refused.exit, Some(13), "{}", refused.text());
    std::fs::remove_dir(&flag).unwrap();
    assert_eq!(lab.run(&["repair", "--apply"]).exit, Some(0));
    lab.must(&["add", "another"]);
}

/// A plan that is lost, and data that is lost, are told as what they are; and whoever works on without a plan is told so.
#[test]
fn a_lost_plan_and_lost_data_are_told() {
    let lab = Lab::with_store();
    lab.must(&["enrich", HOUSE, "price=3", "beds=2"]);
    lab.must(&["hold", HOUSE]);
    let path = lab.path("data/wal/00000000000000000001.wal");
    let mut bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    for event in ["planned", "enriched"] {
        let line = text.lines().find(|line| line.contains(event)).unwrap();
        let at = text.find(line).unwrap();
        bytes[at..at + 3].copy_from_slice(b"???");
    }
    std::fs::write(&path, bytes).unwrap();
    let plan = lab.run(&["repair"]);
    assert_eq!(plan.exit, Some(3), "{}", plan.text());
    for said in [
        "  lost: the plan list, photos (needs list); no plan would be left: `phaselog plan set FILE` sets one\n",
        "lost: enriched (data: price, beds); its data stands as before that record; `phaselog enrich` sets it again\n",
    ] {
        assert!(plan.stdout.contains(said), "{}", plan.text());
    }
    assert_eq!(
        lab.run(&["repair", "--apply", "--accept-loss", "2..2,6..6"])
            .exit,
        Some(3)
    );
    let refused = lab.run(&["start", HOUSE, "list"]);
    assert_eq!(refused.exit, Some(6), "{}", refused.text());
    let said = "hint: the plan has no phases; phaselog plan set FILE sets one\n";
    assert!(refused.stderr.contains(said), "{}", refused.text());
}
