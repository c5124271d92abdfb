//! A `work_items.json` that is edited again after its import, undone, put back, or written by somebody who had read an older
//! one: what it was made from decides what in it is an edit.

use serde_json::{Value, json};

use crate::merge::{ZONE, old_script};
use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

const FILE: &str = "data/work_items.json";

/// Three houses, nothing done; snapshots are written.
fn compacted() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, c] = HOUSES;
    lab.must(&["init", "--phase", "list", "--phase", "photos", a, b, c]);
    lab.must(&["compact"]);
    lab
}

fn load(lab: &Lab) -> Value {
    serde_json::from_slice(&bytes(lab)).unwrap()
}

fn bytes(lab: &Lab) -> Vec<u8> {
    std::fs::read(lab.path(FILE)).unwrap()
}

fn put(lab: &Lab, bytes: &[u8]) {
    std::fs::write(lab.path(FILE), bytes).unwrap();
}

/// Reads the file, changes it, and writes it back as a script would.
fn edit(lab: &Lab, change: impl FnOnce(&mut Value)) {
    let mut document = load(lab);
    change(&mut document);
    lab.write(FILE, &serde_json::to_string_pretty(&document).unwrap());
}

fn phase<'v>(document: &'v mut Value, item: usize, phase: &str) -> &'v mut Value {
    &mut document["work_items"][item]["phases"][phase]
}

fn set_list(lab: &Lab, item: usize, status: &str) {
    edit(lab, |document| {
        phase(document, item, "list")["status"] = json!(status);
    });
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.text()))
}

fn status(lab: &Lab, item: usize, phase: &str) -> Value {
    json_of(&lab.must(&["--json", "show", HOUSES[item]]))["phases"][phase]["status"].clone()
}

/// Imports, and gives the exit status, the items that were changed, and what was judged.
fn import(lab: &Lab, args: &[&str]) -> (Option<i32>, Value, Vec<String>) {
    let mut all = vec!["--json", "import", "data"];
    all.extend(args);
    let told = lab.run(&all);
    let report = json_of(&told);
    let judged = report["findings"].as_array().unwrap().iter();
    let judged = judged.filter(|it| it["severity"] == "judged");
    let judged = judged.map(|it| format!("{} {} {}", it["code"], it["item"], it["phase"]));
    (
        told.exit,
        report["items"]["changed"].clone(),
        judged.map(|it| it.replace('"', "")).collect(),
    )
}

/// What was recorded, or would have been, and nothing judged.
fn takes(lab: &Lab, changed: u64) {
    assert_eq!(
        import(lab, &["--dry-run"]),
        (Some(0), json!(changed), vec![])
    );
    assert_eq!(import(lab, &[]), (Some(0), json!(changed), vec![]));
    let log = lab.must(&["log"]).stdout;
    assert_eq!(import(lab, &[]), (Some(0), json!(0), vec![]));
    assert_eq!(lab.must(&["log"]).stdout, log);
}

/// Nothing of these houses was taken in, and that was said, once.
fn stays(lab: &Lab, changed: u64, houses: &[usize]) {
    let wanted: Vec<String> = houses
        .iter()
        .map(|it| format!("I-EDIT-CONFLICT {} list", HOUSES[*it]))
        .collect();
    assert_eq!(
        import(lab, &["--dry-run"]),
        (Some(3), json!(changed), wanted.clone())
    );
    assert_eq!(import(lab, &[]), (Some(3), json!(changed), wanted));
    assert_eq!(import(lab, &[]).0, Some(0));
}

#[test]
fn an_edit_is_taken_back_by_writing_what_was_there_before() {
    let lab = compacted();
    for status_of_list in [
        "in_progress",
        "pending",
        "completed",
        "pending",
        "failed",
        "completed",
    ] {
        set_list(&lab, 1, status_of_list);
        takes(&lab, 1);
        assert_eq!(status(&lab, 1, "list"), status_of_list);
    }
    // Byte by byte: the snapshot itself, the first edit, the second, the first again.
    let lab = compacted();
    let snapshot = bytes(&lab);
    set_list(&lab, 0, "completed");
    let one = bytes(&lab);
    takes(&lab, 1);
    put(&lab, &snapshot);
    takes(&lab, 1);
    assert_eq!(status(&lab, 0, "list"), "pending");
    put(&lab, &one);
    takes(&lab, 1);
    set_list(&lab, 1, "completed");
    takes(&lab, 1);
    put(&lab, &one);
    takes(&lab, 1);
    let both = [0, 1].map(|item| status(&lab, item, "list"));
    assert_eq!(both, ["completed", "pending"]);
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
    takes(&lab, 0);
}

#[test]
fn a_field_is_edited_as_often_as_one_likes() {
    let lab = compacted();
    for (tier, rate) in [
        (json!("A"), json!(0.5)),
        (json!("B"), json!(6)),
        (json!("A"), json!(7)),
    ] {
        edit(&lab, |document| {
            document["work_items"][0]["tier"] = tier.clone();
            phase(document, 0, "list")["rate"] = rate.clone();
        });
        takes(&lab, 1);
    }
    // 7.0 is 7, and what is taken out again is gone.
    edit(&lab, |document| {
        phase(document, 0, "list")["rate"] = serde_json::from_str("7.0").unwrap();
        document["work_items"][0]
            .as_object_mut()
            .unwrap()
            .remove("tier");
    });
    takes(&lab, 1);
    lab.must(&["compact"]);
    let item = load(&lab)["work_items"][0].clone();
    assert_eq!(
        (item.get("tier"), &item["phases"]["list"]["rate"]),
        (None, &json!(7))
    );
}

#[test]
fn who_else_has_moved_it_since_is_not_overwritten() {
    let lab = compacted();
    set_list(&lab, 0, "in_progress");
    set_list(&lab, 1, "in_progress");
    takes(&lab, 2);
    // A worker does the first; the second comes back as it was, and is completed by the script.
    lab.must(&["complete", HOUSE, "list"]);
    set_list(&lab, 0, "pending");
    set_list(&lab, 1, "completed");
    stays(&lab, 1, &[0]);
    assert_eq!(status(&lab, 0, "list"), "completed");
    // Somebody who only touches something else does not touch that again.
    set_list(&lab, 2, "completed");
    takes(&lab, 1);
    // Unless the file is to count: all that it has otherwise than its snapshot, or than the edits that were taken over.
    assert_eq!(
        import(&lab, &["--prefer", "file"]),
        (Some(0), json!(0), vec![])
    );
    set_list(&lab, 0, "failed");
    stays(&lab, 0, &[0]);
    assert_eq!(import(&lab, &["--prefer", "file"]).1, json!(1));
    assert_eq!(status(&lab, 0, "list"), "failed");
    set_list(&lab, 1, "pending");
    assert_eq!(import(&lab, &["--prefer", "file"]).1, json!(1));
    assert_eq!(status(&lab, 1, "list"), "pending");
}

#[test]
fn a_script_that_has_read_the_snapshot_once_goes_on_from_its_own_edits() {
    // It keeps what it read, changes that step by step, and writes all of it each time, over the snapshots written since.
    let lab = compacted();
    let mut kept = load(&lab);
    for (step, status) in ["in_progress", "failed", "in_progress", "completed"]
        .into_iter()
        .enumerate()
    {
        phase(&mut kept, 0, "list")["status"] = json!(status);
        kept["work_items"][0]["tier"] = json!(step);
        lab.write(FILE, &serde_json::to_string_pretty(&kept).unwrap());
        takes(&lab, 1);
        lab.must(&["compact"]);
        assert_eq!(load(&lab)["work_items"][0]["tier"], step);
        assert_eq!(self::status(&lab, 0, "list"), status);
    }
    // What somebody else did meanwhile it does not know.
    lab.must(&["complete", HOUSES[1], "list"]);
    phase(&mut kept, 1, "list")["status"] = json!("failed");
    phase(&mut kept, 0, "photos")["status"] = json!("completed");
    lab.write(FILE, &serde_json::to_string_pretty(&kept).unwrap());
    let (exit, changed, judged) = import(&lab, &[]);
    assert_eq!((exit, changed, judged.len()), (Some(3), json!(1), 1));
    let statuses = [status(&lab, 1, "list"), status(&lab, 0, "photos")];
    assert_eq!(statuses, ["completed", "completed"]);
}

#[test]
fn what_was_read_before_a_compaction_does_not_undo_what_was_taken_over() {
    // Two scripts read the snapshot; what the one wrote is taken over and compacted before the other writes.
    let lab = compacted();
    let read_by_the_other = bytes(&lab);
    set_list(&lab, 0, "completed");
    edit(&lab, |document| {
        document["work_items"][0]["tier"] = json!("A");
    });
    let first = bytes(&lab);
    takes(&lab, 1);
    lab.must(&["fail", HOUSES[2], "list", "--error", "gone"]);
    lab.must(&["compact"]);
    put(&lab, &read_by_the_other);
    set_list(&lab, 1, "completed");
    let told = lab.run(&["import", "data"]);
    let rows = lab.run(&["list", "--phase", "list"]);
    let again = lab.run(&["import", "data"]);
    lab.must(&["compact"]);
    assert_eq!(load(&lab)["work_items"][0]["tier"], "A");
    let statuses = [0, 1, 2].map(|item| status(&lab, item, "list"));
    assert_eq!(statuses, ["completed", "completed", "failed"]);
    // The first writes its own once more: that was taken over.
    put(&lab, &first);
    let known = lab.run(&["import", "data"]);
    // And goes on from there: what it touches, nobody else has.
    set_list(&lab, 0, "completed");
    edit(&lab, |document| {
        phase(document, 0, "photos")["status"] = json!("completed");
        phase(document, 2, "list")["status"] = json!("completed");
    });
    let further = lab.run(&["import", "data"]);
    shows(
        "import__older_than_the_snapshot",
        &[told, rows, again, known, further],
    );
    assert_eq!(status(&lab, 0, "photos"), "completed");
    assert_eq!(status(&lab, 2, "list"), "failed");
}

/// The reset of the original Python, of what the script itself began, with times in UTC and without an offset.
#[test]
fn the_old_script_resets_what_it_began() {
    for naive in [false, true] {
        let lab = Lab::new().env("TZ", ZONE);
        let items =
            HOUSES.map(|it| json!({"address": it, "phases": {"list": {"status": "pending"}}}));
        lab.write("old.json", &json!({"work_items": items}).to_string());
        let style = if naive { "naive" } else { "utc" };
        lab.must(&["import", "old.json", "--snapshot-times", style]);
        lab.must(&["compact"]);
        for round in 0..2 {
            if old_script(&lab, &["checkpoint", HOUSE, "list", "in_progress"]).is_none() {
                return;
            }
            // That was long ago.
            edit(&lab, |document| {
                phase(document, 0, "list")["started_at"] = json!("2020-01-01T12:00:00.000000");
            });
            assert_eq!(import(&lab, &[]).1, json!(1));
            assert_eq!(status(&lab, 0, "list"), "in_progress");
            let pending = old_script(&lab, &["resume"]).unwrap();
            assert_eq!(pending.lines().count(), 3, "{pending}");
            let told = import(&lab, &[]);
            assert_eq!(
                (told.0, told.1),
                (Some(0), json!(1)),
                "{style}, round {round}"
            );
            assert_eq!(status(&lab, 0, "list"), "pending");
            assert_eq!(import(&lab, &[]).1, json!(0));
        }
        lab.must(&["compact"]);
        assert_eq!(lab.must(&["status"]).stderr, "");
        lab.must(&["verify", "--deep"]);
        assert_eq!(old_script(&lab, &["resume"]).unwrap().lines().count(), 3);
        assert_eq!(import(&lab, &[]).1, json!(0));
    }
}

#[test]
fn two_copies_of_a_snapshot_are_two_files() {
    let lab = compacted();
    for copy in ["one", "two"] {
        std::fs::create_dir(lab.path(copy)).unwrap();
        std::fs::copy(lab.path(FILE), lab.path(copy).join("work_items.json")).unwrap();
    }
    let write = |copy: &str, item: usize, status: &str| {
        let name = format!("{copy}/work_items.json");
        let text = std::fs::read_to_string(lab.path(&name)).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        phase(&mut document, item, "list")["status"] = json!(status);
        lab.write(&name, &document.to_string());
        lab.run(&["--json", "import", &name])
    };
    assert_eq!(
        json_of(&write("one", 0, "completed"))["items"]["changed"],
        1
    );
    // What the other copy has as it was, nobody has edited there.
    assert_eq!(
        json_of(&write("two", 1, "completed"))["items"]["changed"],
        1
    );
    let both = [0, 1].map(|item| status(&lab, item, "list"));
    assert_eq!(both, ["completed", "completed"]);
    // By whatever path it is called, a copy is the file that it is.
    let absolute = lab.path("one").display().to_string();
    assert_eq!(
        json_of(&write("one", 0, "in_progress"))["items"]["changed"],
        1
    );
    let name = "one/work_items.json";
    let text = std::fs::read_to_string(lab.path(name)).unwrap();
    lab.write(
        name,
        &text.replace(r#""status":"in_progress""#, r#""status":"pending""#),
    );
    assert_eq!(
        json_of(&lab.run(&["--json", "import", &absolute]))["items"]["changed"],
        1
    );
    assert_eq!(status(&lab, 0, "list"), "pending");
}

#[test]
fn an_id_is_not_edited_and_that_is_said() {
    let lab = compacted();
    edit(&lab, |document| {
        document["work_items"][0]["id"] = json!("mine");
        document["work_items"][1]["created_at"] = json!("2020-01-01T00:00:00+00:00");
        document["work_items"][2]
            .as_object_mut()
            .unwrap()
            .remove("id");
    });
    let outputs = [
        lab.run(&["import", "--dry-run", "data"]),
        lab.run(&["import", "data"]),
        lab.run(&["import", "data"]),
    ];
    shows("import__edited_ids", &outputs);
    // Told once: a further edit is another matter.
    set_list(&lab, 0, "completed");
    takes(&lab, 1);
}
