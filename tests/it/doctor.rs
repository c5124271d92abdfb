//! What `doctor` finds in a healthy store, an odd one, a damaged one, and a directory that is none yet. It writes nothing.

use serde_json::{Value, json};

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

const NOW: &str = "2026-11-23T10:30:00Z";

/// Codes that tell of the machine on which the test runs, not of the store.
const OF_MACHINE: [&str; 7] = [
    "D-FILE-SYSTEM",
    "D-NETWORK-FS",
    "D-VOLATILE",
    "D-READ-ONLY",
    "D-FREE-SPACE",
    "D-INODES",
    "D-NO-BOOT-CLOCK",
];

/// The output without what is the machine's, and the exit status that the rest has.
fn of_store(mut output: Output) -> Output {
    let is_ours = |line: &&str| !OF_MACHINE.iter().any(|code| line.contains(code));
    let all = std::mem::take(&mut output.stdout);
    let lines: Vec<&str> = all.lines().filter(is_ours).collect();
    let dropped = lines.len() < all.lines().count();
    let grave = lines
        .iter()
        .any(|line| line.starts_with("warning") || line.starts_with("damage"));
    for line in lines {
        output.stdout.push_str(line);
        output.stdout.push('\n');
    }
    if dropped {
        output.exit = Some(if grave { 3 } else { 0 });
        // The counts are with the machine's.
        output.stderr = output
            .stderr
            .lines()
            .filter(|it| !it.contains(" warning"))
            .collect();
    }
    output
}

fn store() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", NOW);
    let [a, b, c] = HOUSES;
    lab.must(&[
        "init",
        "--phase",
        "list",
        "--phase",
        "photos:needs=list",
        a,
        b,
        c,
    ]);
    lab
}

fn doctor(lab: &Lab) -> Output {
    of_store(lab.run(&["doctor"]))
}

#[test]
fn a_healthy_store_has_nothing_to_look_at() {
    let lab = store();
    lab.must(&["compact"]);
    let found = doctor(&lab);
    assert_eq!(
        (found.exit, found.stdout.as_str()),
        (Some(0), ""),
        "{}",
        found.text()
    );
    let all: Value = serde_json::from_str(&lab.run(&["--json", "doctor"]).stdout).unwrap();
    assert_eq!(
        (&all["schema_version"], &all["is_store"], &all["as_of_seq"]),
        (&json!(1), &json!(true), &json!(7))
    );
}

#[test]
fn everything_odd_is_said_with_what_to_do() {
    let lab = store();
    lab.must(&["--now", "2026-11-23T08:00:00Z", "start", HOUSE, "list"]);
    lab.must(&["add", "100 n example st Phoenix AZ 85001"]);
    lab.must(&[
        "--now",
        "2026-11-25T08:00:00Z",
        "complete",
        HOUSES[1],
        "list",
    ]);
    lab.must(&[
        "--now",
        "2026-11-25T08:00:00Z",
        "complete",
        HOUSES[2],
        "photos",
    ]);
    lab.must(&["compact"]);
    let path = "data/work_items.json";
    let text = std::fs::read_to_string(lab.path(path)).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    document["work_items"][2]["phases"]["list"]["status"] = json!("completed");
    document["work_items"][1]["phases"]["list"]["status"] = json!("failed");
    lab.write(path, &document.to_string());
    lab.must(&["retry", "--force", HOUSES[1], "list"]);
    for name in [
        "enrichment_lu1ikcft.tmp",
        "work_items.20251202_210942.bak.json",
        "old.corrupted.json",
    ] {
        lab.write(&format!("data/{name}"), "{}");
    }
    lab.write("data/.work_items.json.00000000deadbeef.tmp", "{");
    let before = files(&lab);
    let json = lab.run(&["doctor", "--format", "jsonl"]);
    shows("doctor__odd", &[doctor(&lab)]);
    assert_eq!(files(&lab), before);
    let lines: Vec<Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let keys = [
        "code", "severity", "place", "item", "phase", "message", "next",
    ];
    assert!(
        lines
            .iter()
            .all(|line| keys.iter().all(|key| line.get(key).is_some()))
    );
    // Whatever it is, what to do about it is said.
    for line in lines {
        assert!(
            line["next"].as_str().is_some_and(|it| it.len() > 3),
            "{line}"
        );
    }
}

/// Every file under `data`, with its bytes.
fn files(lab: &Lab) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let (mut dirs, mut all) = (vec![lab.path("data")], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                all.push((path, bytes));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_damaged_store_is_for_repair() {
    let lab = store();
    lab.must(&["compact"]);
    let path = lab.path("data/wal/00000000000000000001.wal");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("added", "eaten", 1)).unwrap();
    let found = doctor(&lab);
    assert_eq!(found.exit, Some(3), "{}", found.text());
    assert!(
        found
            .stdout
            .starts_with("damage\tV-CRC\twal/00000000000000000001.wal:"),
        "{}",
        found.text()
    );
    assert!(
        found.stdout.contains("\tphaselog repair\n"),
        "{}",
        found.text()
    );
}

#[test]
fn a_directory_that_is_no_store_yet() {
    let lab = Lab::new().env("PHASELOG_NOW", NOW);
    std::fs::create_dir(lab.path("data")).unwrap();
    let empty = doctor(&lab);
    lab.write(
        "data/work_items.json",
        "{\"work_items\": [{\"address\": \"1 A St\"\n",
    );
    let cut = doctor(&lab);
    let items = json!({"work_items": [
        {"address": "1 A St", "status": "complete", "phases": {"list": {"status": "failed"}, "photos": {"status": "in_progress", "started_at": "2027-01-01T00:00:00Z"}}},
        {"address": "1 a st.", "phases": {"list": {"status": "dunno"}}}]});
    lab.write("data/work_items.json", &items.to_string());
    lab.write("data/work_items.json.bak", "{}");
    shows(
        "doctor__no_store",
        &[
            empty,
            cut,
            doctor(&lab),
            lab.run(&["-s", "nowhere", "doctor"]),
        ],
    );
}

#[test]
fn an_extraction_that_was_looked_at_in_the_future() {
    let lab = store();
    let state = json!({
        "completed_properties": [HOUSE], "failed_properties": [],
        "property_last_checked": {HOUSE: "2027-01-01T00:00:00Z"},
    });
    lab.write("extraction_state.json", &state.to_string());
    assert_eq!(lab.run(&["import", "extraction_state.json"]).exit, Some(3));
    lab.must(&["compact"]);
    let found = doctor(&lab).stdout;
    assert!(found.contains("D-FUTURE"), "{found}");
    assert!(found.contains("last_checked is 2027-01-01"), "{found}");
}

#[test]
fn a_snapshot_without_its_log_is_the_worst() {
    let lab = store();
    lab.must(&["compact"]);
    std::fs::remove_dir_all(lab.path("data/wal")).unwrap();
    let found = doctor(&lab);
    assert_eq!(found.exit, Some(3));
    assert!(
        found
            .stdout
            .starts_with("damage\tD-NO-LOG\twork_items.json\t"),
        "{}",
        found.text()
    );
}

#[cfg(unix)]
#[test]
fn what_everybody_may_write_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = store();
    lab.must(&["compact"]);
    for name in ["data/wal", "data/work_items.json"] {
        let mode = if name.ends_with("wal") { 0o777 } else { 0o666 };
        std::fs::set_permissions(lab.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let found = doctor(&lab);
    let places: Vec<&str> = found
        .stdout
        .lines()
        .filter(|it| it.contains("D-WORLD-WRITABLE"))
        .filter_map(|it| it.split('\t').nth(2))
        .collect();
    assert_eq!(places, ["work_items.json", "wal"], "{}", found.text());
}
