//! Odd stores: files gone, of the wrong kind, of somebody else's history. What can be read is shown, what cannot is said.

use std::os::unix::fs::symlink;

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
