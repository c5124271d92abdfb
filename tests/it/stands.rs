//! How the files in a store stand, told as it is: what was edited, what is older than what was written, what the log never had; and
//! each with a next step that works.

use serde_json::{Value, json};

use crate::fields::json_of;
use crate::support::{HOUSE, HOUSES, Lab, Output};

const ROOT: &str = "data/work_items.json";
const DATA: &str = "data/enrichment_data.json";
const EXTRACTION: &str = "data/extraction_state.json";

/// Two houses with data, and three sets of snapshots one after the other; the last but one is kept beside.
fn store() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    lab.must(&["init", "--phase", "list", HOUSE, HOUSES[1]]);
    std::fs::create_dir(lab.path("old")).unwrap();
    for price in ["p=1", "p=2", "p=3"] {
        for file in [ROOT, DATA, EXTRACTION] {
            let to = lab.path("old").join(lab.path(file).file_name().unwrap());
            if lab.path(file).exists() {
                std::fs::copy(lab.path(file), to).unwrap();
            }
        }
        lab.must(&["enrich", HOUSE, price]);
        lab.must(&[
            "extract",
            HOUSE,
            if price == "p=2" {
                "completed"
            } else {
                "failed"
            },
        ]);
        lab.must(&["compact"]);
    }
    lab
}

fn put_back(lab: &Lab, file: &str) {
    let from = lab.path("old").join(lab.path(file).file_name().unwrap());
    std::fs::copy(from, lab.path(file)).unwrap();
}

fn snapshot(lab: &Lab) -> Value {
    json_of(&lab.must(&["--json", "status"]))["snapshot"].take()
}

fn files_line(lab: &Lab) -> String {
    let text = lab.must(&["status"]).stdout;
    let line = text.lines().find(|line| line.starts_with("  files"));
    line.unwrap()
        .trim_start_matches("  files")
        .trim()
        .to_owned()
}

fn edit(lab: &Lab, file: &str, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(lab.path(file)).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    change(&mut document);
    lab.write(file, &serde_json::to_string_pretty(&document).unwrap());
}

/// The rows of `doctor` with that code: where, what, and what next.
fn doctor(lab: &Lab, code: &str) -> Vec<[String; 3]> {
    let text = lab.run(&["doctor"]).stdout;
    let rows = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let rows = rows.filter(|row| row.get(1) == Some(&code));
    rows.map(|row| [row[2], row[3], row[4]].map(str::to_owned))
        .collect()
}

#[test]
fn a_root_from_behind_the_end_of_the_log_has_one_next_step_and_it_works() {
    let lab = store();
    edit(&lab, ROOT, |root| root["log"]["seq"] = json!(999));
    let next = "phaselog compact --discard-edits";
    let status = lab.must(&["status"]).stderr;
    assert!(
        status.contains("record 999, and the log ends at"),
        "{status}"
    );
    assert!(
        status.contains("`compact --discard-edits` keeps a copy"),
        "{status}"
    );
    assert!(!status.contains("`import`"), "{status}");
    let compact = lab.run(&["compact"]);
    let import = lab.run(&["import", "data"]);
    let says = |output: &Output, exit: i32| {
        assert_eq!(output.exit, Some(exit), "{}", output.text());
        assert!(output.stderr.contains(next), "{}", output.text());
    };
    says(&compact, 5);
    says(&import, 7);
    let rows = doctor(&lab, "D-EDITED");
    assert_eq!((rows.len(), &*rows[0][2]), (1, next));
    let verify = lab.run(&["verify"]).stdout;
    assert!(
        verify.contains("it says that it was written at record 999"),
        "{verify}"
    );
    lab.must(&["compact", "--discard-edits"]);
    assert_eq!(snapshot(&lab)["edited"], json!([]));
    assert_eq!(lab.run(&["import", "data"]).exit, Some(0));
    // One within the log is taken in as ever.
    edit(&lab, ROOT, |root| {
        root["work_items"][1]["tier"] = json!("A");
    });
    assert!(
        lab.must(&["status"])
            .stderr
            .contains("`import` takes the changes in")
    );
    lab.must(&["import", "data"]);
}

#[test]
fn beside_an_edited_companion_the_root_stands_where_it_says() {
    let lab = store();
    let root: Value = serde_json::from_slice(&std::fs::read(lab.path(ROOT)).unwrap()).unwrap();
    let seq = root["log"]["seq"].clone();
    let bak = || std::fs::read(lab.path("data/work_items.json.bak")).unwrap();
    let before = bak();
    edit(&lab, DATA, |data| data[0]["zz"] = json!(1));
    let stands = snapshot(&lab);
    assert_eq!((&stands["seq"], &stands["in_place"]), (&seq, &json!(true)));
    assert_eq!(stands["edited"], json!(["enrichment_data.json"]));
    assert_eq!(
        files_line(&lab),
        format!("work_items.json as of @{seq}, up to date")
    );
    lab.must(&["import", "data"]);
    assert_eq!(
        files_line(&lab),
        format!("work_items.json as of @{seq}, 4 records behind")
    );
    // The set before is the one that is whole: it stays in the .bak until another is, and is taken on then.
    lab.must(&["compact"]);
    assert_eq!(bak(), before);
    lab.must(&["enrich", HOUSE, "p=4"]);
    lab.must(&["compact"]);
    assert_ne!(bak(), before);
    // Where the root itself is another's, what is told is the set before it.
    edit(&lab, ROOT, |root| {
        root["work_items"][1]["tier"] = json!("A");
    });
    assert_eq!(snapshot(&lab)["in_place"], false);
    let line = files_line(&lab);
    assert!(
        line.starts_with(
            "work_items.json is another program's; the set before, in .bak, is as of @"
        ),
        "{line}"
    );
}

#[test]
fn an_older_set_is_told_for_what_it_is() {
    let lab = store();
    let newest = snapshot(&lab)["seq"].clone();
    for file in [ROOT, DATA, EXTRACTION] {
        put_back(&lab, file);
    }
    let stands = snapshot(&lab);
    assert_eq!(
        (&stands["older_than"], &stands["edited"]),
        (&newest, &json!([]))
    );
    let older = format!(": an older set than that of @{newest}, which was written here");
    assert!(files_line(&lab).ends_with(&older), "{}", files_line(&lab));
    let rows = doctor(&lab, "D-BEHIND");
    assert!(
        rows[0][1].contains(&format!("though those of {newest} were written here")),
        "{rows:?}"
    );
    assert_eq!(rows[0][2], "phaselog compact");
    // A record does not make it forgotten, and a compaction puts it right.
    lab.must(&["enrich", HOUSE, "p=4"]);
    assert_eq!(snapshot(&lab)["older_than"], newest);
    lab.must(&["compact"]);
    assert_eq!(snapshot(&lab)["older_than"], Value::Null);
    assert_eq!(doctor(&lab, "D-BEHIND"), Vec::<[String; 3]>::new());
}

#[test]
fn what_lies_beside_an_older_root_is_not_called_changed() {
    let lab = store();
    let newest = snapshot(&lab)["seq"].clone();
    put_back(&lab, ROOT);
    let rows = doctor(&lab, "V-EDITED");
    assert_eq!(rows.len(), 2, "{rows:?}");
    for [_, what, next] in rows {
        let wanted =
            format!("it is as the snapshot of {newest} had it, and work_items.json is that of ");
        assert!(what.starts_with(&wanted), "{what}");
        assert_eq!(next, "phaselog compact --discard-edits");
    }
    // What somebody did change is.
    edit(&lab, DATA, |data| data[0]["zz"] = json!(1));
    let rows = doctor(&lab, "V-EDITED");
    assert!(
        rows.iter()
            .any(|row| row[1].starts_with("it is not what the snapshot names")),
        "{rows:?}"
    );
    lab.must(&["compact", "--discard-edits"]);
    assert_eq!(doctor(&lab, "V-EDITED"), Vec::<[String; 3]>::new());
}

#[test]
fn before_the_first_snapshot_scripts_read_what_was_taken_over() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    lab.must(&["init", "--phase", "list", HOUSE]);
    let rows = doctor(&lab, "D-BEHIND");
    assert!(
        rows[0][1].ends_with("scripts that read the files see nothing"),
        "{rows:?}"
    );
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    std::fs::create_dir(lab.path("data")).unwrap();
    let old =
        json!({"work_items": [{"address": HOUSE, "phases": {"list": {"status": "pending"}}}]});
    lab.write(ROOT, &old.to_string());
    lab.must(&["import", "data"]);
    let rows = doctor(&lab, "D-BEHIND");
    assert!(
        rows[0][1].contains("scripts read the files that were taken over"),
        "{rows:?}"
    );
}

#[test]
fn a_byte_order_mark_is_passed_over_and_that_is_said() {
    let lab = store();
    lab.write("bom.json", "\u{feff}{\"bom\":1}");
    let told = lab.must(&["enrich", HOUSE, "--data", "@bom.json"]);
    let said = |told: &Output, what: &str| {
        let wanted = format!("warning: {what} begins with a byte order mark; it was passed over");
        assert!(told.stderr.contains(&wanted), "{}", told.text());
    };
    said(&told, "bom.json");
    let told = lab.run_with_input(&["enrich", HOUSE, "--data", "-"], "\u{feff}{\"bom\":2}");
    said(&told, "standard input");
    let told = lab.run_with_input(
        &["complete", HOUSE, "list", "--enrich", "-"],
        "\u{feff}{\"bom\":3}",
    );
    said(&told, "standard input");
    let data = json_of(&lab.must(&["--json", "show", HOUSE, "--data"]))["data"].take();
    assert_eq!(data["bom"], 3);
    // And where it cannot be read, nobody is sent to a file that there is not.
    let told = lab.run_with_input(&["enrich", HOUSE, "--data", "-"], "{\"a\":1,}");
    assert_eq!(told.exit, Some(1));
    assert!(
        told.stderr
            .contains("mend there what comes on standard input"),
        "{}",
        told.text()
    );
}
