//! A state file that a person or an old script has edited: what was changed becomes records, the log stays where both
//! moved, and nothing is taken in twice.

use serde_json::{Value, json};

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

const FILE: &str = "data/work_items.json";

/// Three houses; the first is listed and its photos have failed; snapshots are written.
fn compacted() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
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
    lab.start(HOUSE, "list");
    lab.must(&["complete", HOUSE, "list"]);
    lab.must(&["fail", HOUSE, "photos", "--error", "no camera"]);
    lab.must(&["compact"]);
    lab
}

fn load(lab: &Lab) -> Value {
    let text = std::fs::read_to_string(lab.path(FILE)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Writes the file back as a script would: everything in it, laid out in its own way.
fn store(lab: &Lab, document: &Value) {
    lab.write(FILE, &serde_json::to_string_pretty(document).unwrap());
}

fn edit(lab: &Lab, change: impl FnOnce(&mut Value)) {
    let mut document = load(lab);
    change(&mut document);
    store(lab, &document);
}

fn phase<'v>(document: &'v mut Value, item: usize, phase: &str) -> &'v mut Value {
    &mut document["work_items"][item]["phases"][phase]
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.text()))
}

fn status(lab: &Lab, item: &str, phase: &str) -> Value {
    json(&lab.must(&["--json", "show", item]))["phases"][phase].clone()
}

/// What a person does with an editor, and a script with `json.dump`.
fn by_hand(document: &mut Value) {
    let photos = phase(document, 0, "photos");
    photos["status"] = json!("completed");
    photos["completed_at"] = json!("2026-11-23T10:20:00+00:00");
    photos["photos_analyzed"] = json!(41);
    let list = phase(document, 1, "list");
    list["status"] = json!("failed");
    list["error"] = json!("404");
    list["retry_count"] = json!(1);
    let list = phase(document, 2, "list");
    list["status"] = json!("in_progress");
    list["started_at"] = json!("2026-11-23T10:25:00Z");
    document["work_items"][2]["zillow_url"] = json!("https://example.com/8");
    document["work_items"][0]["status"] = json!("completed");
    document["summary"]["completed"] = json!(1);
    document["last_checkpoint"] = json!("2026-11-23T10:26:00+00:00");
    let new = json!({"address": "9 S Added Rd", "phases": {"list": {"status": "complete"}}});
    document["work_items"].as_array_mut().unwrap().push(new);
}

#[test]
fn what_was_changed_by_hand_becomes_records() {
    let lab = compacted();
    edit(&lab, by_hand);
    let dry = lab.run(&["import", "--dry-run", "data"]);
    let before = lab.must(&["--json", "log"]).stdout;
    let [text, again] = [lab.run(&["import", "data"]), lab.run(&["import", "data"])];
    assert_ne!(before, lab.must(&["--json", "log"]).stdout);
    let outputs = [
        dry,
        text,
        again,
        lab.run(&["history", "--utc", HOUSE]),
        lab.run(&["history", "--utc", HOUSES[2], "--phase", "list"]),
        lab.run(&["list"]),
        lab.run(&["compact"]),
        lab.run(&["status", "--utc"]),
        lab.run(&["import", "data"]),
    ];
    shows("import__merged", &outputs);
    lab.must(&["verify", "--deep"]);
    let photos = status(&lab, HOUSE, "photos");
    assert_eq!(photos["completed_at"], "2026-11-23T10:20:00.000000+00:00");
    assert_eq!(
        load(&lab)["work_items"][0]["phases"]["photos"]["photos_analyzed"],
        41
    );
    assert_eq!(
        load(&lab)["work_items"][2]["zillow_url"],
        "https://example.com/8"
    );
}

#[test]
fn a_dry_run_writes_nothing() {
    let lab = compacted();
    edit(&lab, by_hand);
    let before = std::fs::read(lab.path("data/wal/00000000000000000001.wal")).unwrap();
    let told = json(&lab.run(&["--json", "import", "--dry-run", "data"]));
    assert_eq!(
        told["items"],
        json!({"added": 1, "changed": 3, "unchanged": 0})
    );
    assert_eq!(
        (&told["seq"], &told["files"][0]["result"]),
        (&Value::Null, &json!("merged"))
    );
    assert_eq!(
        before,
        std::fs::read(lab.path("data/wal/00000000000000000001.wal")).unwrap()
    );
    assert!(!lab.path("data/wal/imported").exists());
}

#[test]
fn where_the_log_has_moved_the_log_stays() {
    let lab = compacted();
    edit(&lab, |document| {
        phase(document, 0, "photos")["status"] = json!("skipped");
        phase(document, 1, "list")["status"] = json!("completed");
        phase(document, 2, "list")["status"] = json!("completed");
    });
    // Meanwhile: the photos are tried again, the second house fails, and somebody completes the third, too.
    lab.start(HOUSE, "photos");
    lab.must(&["fail", HOUSES[1], "list", "--error", "gone"]);
    lab.must(&["complete", HOUSES[2], "list"]);
    let [text, json_of] = [
        lab.run(&["import", "data"]),
        lab.run(&["--json", "import", "--prefer", "file", "data"]),
    ];
    assert_eq!(status(&lab, HOUSE, "photos")["status"], "skipped");
    assert_eq!(status(&lab, HOUSES[1], "list")["status"], "completed");
    let sha256 = json(&json_of)["files"][0]["sha256"].clone();
    let json_of = json_of.with(sha256.as_str().unwrap(), "[SHA256]");
    let again = lab.run(&["import", "--prefer", "file", "data"]);
    shows("import__conflict", &[text, json_of, again]);
}

#[test]
fn who_edits_again_after_an_import_is_in_nobodys_way() {
    let lab = compacted();
    for (word, key) in [("in_progress", "started_at"), ("completed", "completed_at")] {
        edit(&lab, |document| {
            let list = phase(document, 1, "list");
            list["status"] = json!(word);
            list[key] = json!("2026-11-23T10:20:00+00:00");
        });
        lab.must(&["import", "data"]);
        assert_eq!(status(&lab, HOUSES[1], "list")["status"], word);
    }
    // Somebody else is.
    lab.must(&["retry", HOUSES[1], "list", "--force"]);
    edit(&lab, |document| {
        phase(document, 1, "list")["status"] = json!("failed");
    });
    assert_eq!(lab.run(&["import", "data"]).exit, Some(3));
    assert_eq!(status(&lab, HOUSES[1], "list")["status"], "pending");
}

#[test]
fn nothing_is_deleted_because_it_is_missing_in_a_file() {
    let lab = compacted();
    edit(&lab, |document| {
        document["work_items"].as_array_mut().unwrap().remove(1);
        document["work_items"][1]["phases"]
            .as_object_mut()
            .unwrap()
            .remove("photos");
        document["plan"].as_array_mut().unwrap().pop();
    });
    shows(
        "import__missing_in_file",
        &[
            lab.run(&["import", "data"]),
            lab.run(&["list", "--phase", "photos"]),
        ],
    );
}

#[test]
fn an_unedited_file_gives_nothing_however_it_is_laid_out() {
    let lab = compacted();
    let document = load(&lab);
    lab.start(HOUSES[1], "list");
    for text in [
        serde_json::to_string(&document).unwrap(),
        serde_json::to_string_pretty(&document).unwrap(),
        format!("\u{feff}{document}\r\n"),
    ] {
        lab.write("copy.json", &text);
        let told = lab.must(&["import", "copy.json"]);
        assert!(told.stdout.starts_with("unchanged"), "{}", told.text());
    }
}

#[test]
fn a_file_that_does_not_say_when_only_fills_in() {
    let lab = compacted();
    lab.must(&["complete", HOUSES[1], "list"]);
    let phases =
        |list: &str, photos: &str| json!({"list": {"status": list}, "photos": {"status": photos}});
    let old = json!({"work_items": [
        {"address": HOUSES[0], "phases": phases("pending", "completed")},
        {"address": HOUSES[1], "phases": phases("failed", "in_progress")},
        {"address": HOUSES[2], "phases": {"list": {"status": "completed", "completed": "2026-11-22T08:00:00Z", "rate": 0.90}}, "tier": "A"},
    ]});
    lab.write("old.json", &old.to_string());
    let outputs = [
        lab.run(&["import", "--dry-run", "old.json"]),
        lab.run(&["import", "old.json"]),
        lab.run(&["import", "old.json"]),
        lab.run(&["import", "--prefer", "file", "old.json"]),
    ];
    shows("import__fills_in", &outputs);
    // The old script goes on; what it filled in it may move on.
    let mut old = old;
    old["work_items"][2]["phases"]["photos"] =
        json!({"status": "in_progress", "started": "2026-11-22T09:00:00Z"});
    lab.write("old.json", &old.to_string());
    lab.run(&["import", "old.json"]);
    assert_eq!(status(&lab, HOUSES[2], "photos")["status"], "in_progress");
    old["work_items"][2]["phases"]["photos"] =
        json!({"status": "completed", "completed": "2026-11-22T09:30:00Z"});
    lab.write("old.json", &old.to_string());
    lab.run(&["import", "old.json"]);
    assert_eq!(status(&lab, HOUSES[2], "photos")["status"], "completed");
}

#[test]
fn a_place_that_the_log_does_not_have_is_refused() {
    let lab = compacted();
    let outputs = ["99", "5"].map(|seq| {
        let mut document = load(&lab);
        document["log"]["seq"] = serde_json::from_str(seq).unwrap();
        lab.write("other.json", &document.to_string());
        lab.run(&["import", "other.json"])
    });
    shows("import__other_place", &outputs);
}

/// Runs the script that the pipeline had before; `None`, with the reason printed, where there is no Python.
pub(crate) fn old_script(lab: &Lab, args: &[&str]) -> Option<String> {
    let mut command = std::process::Command::new("python3");
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/old_script.py"
        ))
        .arg(lab.path(FILE))
        .args(args)
        .env("TZ", ZONE)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    match command.output() {
        Err(error) => {
            println!("skipped: python3 does not start ({error})");
            None
        }
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{stderr}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
    }
}

/// Seven hours behind UTC all year round, wherever this runs.
pub(crate) const ZONE: &str = "MST7";

/// How a team moves over: phaselog and the old script work on one file, and what the script writes is taken in.
#[test]
fn the_old_script_goes_on_beside_the_log() {
    let lab = Lab::new().env("TZ", ZONE);
    let items: Vec<Value> = HOUSES
        .iter()
        .map(|house| json!({"address": house, "phases": {"list": {"status": "pending"}}}))
        .collect();
    lab.write("old.json", &json!({"work_items": items}).to_string());
    lab.must(&["import", "old.json", "--snapshot-times", "naive"]);
    lab.must(&["--now", "2020-01-01T12:00:00Z", "start", HOUSES[0], "list"]);
    lab.must(&["start", HOUSES[1], "list", "--worker", "w2"]);
    lab.must(&["compact"]);
    let list = load(&lab)["work_items"][0]["phases"]["list"].clone();
    assert_eq!(list["started_at"], "2020-01-01T05:00:00.000000");

    let Some(pending) = old_script(&lab, &["resume"]) else {
        return;
    };
    assert_eq!(
        pending,
        format!("{}\tlist\n{}\tlist\n", HOUSES[0], HOUSES[2])
    );
    old_script(&lab, &["checkpoint", HOUSES[2], "list", "completed"]).unwrap();
    let written = phase(&mut load(&lab), 2, "list")["completed_at"].clone();

    let told = json(&lab.run(&["--json", "import", "data"]));
    assert_eq!(
        told["items"],
        json!({"added": 0, "changed": 2, "unchanged": 1}),
        "{told}"
    );
    assert_eq!(told["counts"]["judged"], 0, "{told}");
    let statuses = HOUSES.map(|house| status(&lab, house, "list")["status"].clone());
    assert_eq!(statuses, ["pending", "in_progress", "completed"]);
    let local = |text: &Value| {
        chrono::NaiveDateTime::parse_from_str(text.as_str().unwrap(), "%Y-%m-%dT%H:%M:%S%.f")
            .unwrap()
    };
    let done = status(&lab, HOUSES[2], "list")["completed_at"].clone();
    let done = chrono::DateTime::parse_from_rfc3339(done.as_str().unwrap())
        .unwrap()
        .naive_utc();
    assert_eq!(done - local(&written), chrono::TimeDelta::hours(7));

    // The file may be written over now, and the next round goes the same way.
    lab.must(&["compact"]);
    assert_eq!(lab.must(&["status"]).stderr, "");
    lab.must(&["verify", "--deep"]);
    let pending = old_script(&lab, &["resume"]).unwrap();
    assert_eq!(pending, format!("{}\tlist\n", HOUSES[0]));
    let again = lab.must(&["import", "data"]);
    assert!(
        again.stdout.contains("unchanged") || again.stdout.contains("0 changed"),
        "{}",
        again.text()
    );
}

#[test]
fn naive_times_say_the_same_in_every_zone() {
    let show = |lab: &Lab| HOUSES.map(|house| status(lab, house, "list"));
    let lab = Lab::new();
    let at = |now: &str, args: &[&str]| {
        let mut all = vec!["--now", now];
        all.extend(args);
        // New York: the clocks are set back on 2026-11-01 at 06:00 UTC, and 01:30 comes twice.
        let mut command = lab.command(&all);
        command.env("TZ", "EST5EDT,M3.2.0,M11.1.0");
        assert!(command.output().unwrap().status.success(), "{all:?}");
    };
    let [a, b, c] = HOUSES;
    at(
        "2026-11-01T05:00:00Z",
        &["init", "--phase", "list", a, b, c],
    );
    for (now, house) in [("2026-11-01T05:30:00Z", a), ("2026-11-01T06:30:00Z", b)] {
        at(now, &["start", house, "list"]);
        at(now, &["complete", house, "list"]);
    }
    lab.write(
        "more.json",
        &json!({"work_items": [{"address": c, "phases": {"list": "pending"}}]}).to_string(),
    );
    at(
        "2026-11-01T07:00:00Z",
        &["import", "more.json", "--snapshot-times", "naive"],
    );
    let before = show(&lab);
    at("2026-11-01T08:00:00Z", &["compact"]);
    let document = load(&lab);
    let completed =
        |item: usize| document["work_items"][item]["phases"]["list"]["completed_at"].clone();
    assert_eq!(
        (completed(0), completed(1)),
        (
            json!("2026-11-01T01:30:00.000000"),
            json!("2026-11-01T01:30:00.000000")
        )
    );
    // Here in UTC the snapshot is read; a replay reads none.
    assert_eq!(before, show(&lab));
    lab.must(&["verify", "--deep"]);
    // A person's editor lays it out anew, in yet another zone.
    lab.write(FILE, &document.to_string());
    assert_eq!(lab.must(&["status"]).stderr, "");
    let back = lab.must(&["import", "data", "--snapshot-times", "utc"]);
    assert!(back.stdout.starts_with("recorded"), "{}", back.text());
    lab.must(&["compact"]);
    assert_eq!(
        load(&lab)["work_items"][0]["phases"]["list"]["completed_at"],
        "2026-11-01T05:30:00.000000+00:00"
    );
}
