//! Fields that were taken out of a file that does not say when it was written: they stay and that is told, and they go where the
//! file is to count and nobody else has set them since.

use serde_json::{Value, json};

use crate::fields::{json_of, judged};
use crate::support::{HOUSE, HOUSES, Lab, shows};

const DATA: &str = "old/enrichment_data.json";
const ROOT: &str = "old/work_items.json";

fn store() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    lab.must(&[
        "init", "--phase", "list", "--phase", "map", HOUSE, HOUSES[1],
    ]);
    std::fs::create_dir(lab.path("old")).unwrap();
    lab
}

/// Writes the data of the first house as a script does, and imports it: the exit status, and what was judged.
fn data(lab: &Lab, object: &Value, args: &[&str]) -> (Option<i32>, Vec<[String; 4]>) {
    let mut object = object.clone();
    object["full_address"] = json!(HOUSE);
    lab.write(DATA, &json!([object]).to_string());
    judged(lab, &[&[DATA], args].concat())
}

fn shown(lab: &Lab) -> Value {
    json_of(&lab.must(&["--json", "show", HOUSE, "--data"]))["data"].take()
}

fn told(decided: &str) -> Vec<[String; 4]> {
    vec![[HOUSE, "-", "not in the file any more", decided].map(str::to_owned)]
}

fn seq(lab: &Lab) -> Value {
    json_of(&lab.must(&["--json", "status"]))["as_of_seq"].take()
}

#[test]
fn fields_of_the_data_stay_and_go_where_the_file_counts() {
    let lab = store();
    let all =
        json!({"x": 5, "y": 1, "n": {"a": 1, "b": 2}, "l": [1], "none": null, "last_updated": "a"});
    assert_eq!(data(&lab, &all, &[]), (Some(0), vec![]));
    let less = json!({"x": 5, "n": {"a": 1}});
    let stays = told(r#"{"n.b":2,"y":1,"l":[1]}"#);
    assert_eq!(data(&lab, &less, &["--dry-run"]), (Some(3), stays.clone()));
    let before = lab.run(&["import", DATA]);
    assert_eq!(shown(&lab)["n"]["b"], 2);
    // Told once: the same bytes say nothing new.
    let last = seq(&lab);
    let again = lab.run(&["import", DATA]);
    assert_eq!(seq(&lab), last);
    let counts = lab.run(&["import", "--prefer", "file", DATA]);
    let history = lab.run(&["history", HOUSE]);
    shows("import__taken_out", &[before, again, counts, history]);
    let now = json!({"full_address": HOUSE, "x": 5, "n": {"a": 1}});
    assert_eq!(shown(&lab), now);
    // And that was all.
    let last = seq(&lab);
    assert_eq!(data(&lab, &less, &["--prefer", "file"]), (Some(0), vec![]));
    assert_eq!(data(&lab, &less, &[]), (Some(0), vec![]));
    assert_eq!(seq(&lab), last);
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
}

#[test]
fn what_somebody_else_has_set_since_stays_whoever_is_asked_to_count() {
    let lab = store();
    data(&lab, &json!({"x": 5, "y": 1, "n": {"a": 1}}), &[]);
    lab.must(&["enrich", HOUSE, "y=9", "n.c=3", "--source", "me"]);
    let less = json!({"z": 1});
    let stays = r#"{"x":5,"y":9,"n":{"a":1,"c":3}}"#;
    assert_eq!(data(&lab, &less, &[]), (Some(3), told(stays)));
    let message = json_of(&lab.must(&["--json", "log", "-n", "1"]))["records"][0]["event"].take();
    assert_eq!(message, "enriched");
    // Nothing of it was moved after that was told.
    assert_eq!(data(&lab, &less, &["--prefer", "file"]), (Some(0), vec![]));
    assert_eq!(
        shown(&lab),
        json!({"y": 9, "n": {"a": 1, "c": 3}, "z": 1, "full_address": HOUSE})
    );
    // What is moved after it, is told, once.
    lab.must(&["enrich", HOUSE, "y=10", "--source", "me"]);
    let (exit, found) = data(&lab, &less, &["--prefer", "file"]);
    let wanted = [HOUSE, "-", "nothing", "10"].map(str::to_owned);
    assert_eq!((exit, found), (Some(3), vec![wanted]));
    assert_eq!(data(&lab, &less, &["--prefer", "file"]), (Some(0), vec![]));
    assert_eq!(shown(&lab)["y"], 10);
}

#[test]
fn what_the_file_brought_long_ago_goes_as_well() {
    let lab = store();
    data(&lab, &json!({"x": 5, "y": 1}), &[]);
    assert_eq!(data(&lab, &json!({"x": 5}), &[]).0, Some(3));
    // Of what an older version had nothing is told a second time.
    assert_eq!(data(&lab, &json!({"x": 6}), &[]), (Some(0), vec![]));
    assert_eq!(shown(&lab)["y"], 1);
    assert_eq!(
        data(&lab, &json!({"x": 7}), &["--prefer", "file"]),
        (Some(0), vec![])
    );
    assert_eq!(shown(&lab), json!({"full_address": HOUSE, "x": 7}));
    // What others have brought, and the file never had, it does not take away.
    lab.must(&["enrich", HOUSE, "q=1"]);
    assert_eq!(
        data(&lab, &json!({"x": 8}), &["--prefer", "file"]),
        (Some(0), vec![])
    );
    assert_eq!(shown(&lab)["q"], 1);
}

fn root(lab: &Lab, file: &str, item: &Value, args: &[&str]) -> (Option<i32>, Vec<[String; 4]>) {
    let mut item = item.clone();
    item["address"] = json!(HOUSE);
    let other = json!({"address": HOUSES[1], "phases": {"list": {"status": "pending"}}});
    lab.write(file, &json!({"work_items": [item, other]}).to_string());
    judged(lab, &[&[file], args].concat())
}

fn fields(lab: &Lab) -> Value {
    let item = json_of(&lab.must(&["replay"]))["work_items"][0].take();
    let list = &item["phases"]["list"];
    json!([
        item["url"],
        list["notes"],
        list["completed_at"],
        list["zoom"]
    ])
}

#[test]
fn fields_of_an_item_and_of_a_phase_stay_and_go_where_the_file_counts() {
    let lab = store();
    let all = json!({"url": "x", "phases": {
        "list": {"status": "completed", "completed_at": "2025-12-04T00:35:00Z", "notes": "n", "zoom": 1},
        "map": {"status": "pending"},
    }});
    assert_eq!(root(&lab, ROOT, &all, &[]), (Some(0), vec![]));
    let less = json!({"phases": {"list": {"status": "completed", "zoom": 1}}});
    let at = "2025-12-04T00:35:00.000000";
    let stays = [
        [
            HOUSE,
            "list",
            "not in the file any more",
            r#"{"notes":"n"}"#,
        ]
        .map(str::to_owned),
        [
            HOUSE,
            "list",
            "not in the file any more",
            &format!(r#"{{"completed_at":"{at}Z"}}"#),
        ]
        .map(str::to_owned),
        [HOUSE, "map", "not in the file any more", "it stays"].map(str::to_owned),
        [HOUSE, "-", "not in the file any more", r#"{"url":"x"}"#].map(str::to_owned),
    ];
    assert_eq!(
        root(&lab, ROOT, &less, &["--dry-run"]),
        (Some(3), stays.to_vec())
    );
    assert_eq!(root(&lab, ROOT, &less, &[]), (Some(3), stays.to_vec()));
    assert_eq!(fields(&lab), json!(["x", "n", format!("{at}+00:00"), 1]));
    let last = seq(&lab);
    assert_eq!(root(&lab, ROOT, &less, &[]), (Some(0), vec![]));
    assert_eq!(seq(&lab), last);
    // The phase stays: nothing is ever deleted.
    assert_eq!(root(&lab, ROOT, &less, &["--prefer", "file"]).0, Some(3));
    assert_eq!(fields(&lab), json!([null, null, null, 1]));
    let last = seq(&lab);
    assert_eq!(
        root(&lab, ROOT, &less, &["--prefer", "file"]),
        (Some(0), vec![])
    );
    assert_eq!(seq(&lab), last);
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
}

#[test]
fn what_another_file_has_set_since_stays_in_an_item() {
    let lab = store();
    let item = |url: Option<&str>| {
        let mut item = json!({"phases": {"list": {"status": "pending"}}});
        if let Some(url) = url {
            item["url"] = json!(url);
        }
        item
    };
    root(&lab, ROOT, &item(Some("x")), &[]);
    root(&lab, "other.json", &item(Some("y")), &["--prefer", "file"]);
    let (exit, found) = root(&lab, ROOT, &item(None), &["--prefer", "file"]);
    let wanted = [HOUSE, "-", "not in the file any more", r#"{"url":"y"}"#].map(str::to_owned);
    assert_eq!((exit, found), (Some(3), vec![wanted]));
    assert_eq!(
        root(&lab, ROOT, &item(None), &["--prefer", "file"]),
        (Some(0), vec![])
    );
    assert_eq!(fields(&lab)[0], "y");
}

/// A script that reads our snapshot and writes back what it knows, in its own form.
#[test]
fn what_the_old_form_lacks_in_place_of_a_snapshot_is_told() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let file = "data/work_items.json";
    std::fs::create_dir(lab.path("data")).unwrap();
    let all = json!({"url": "u", "phases": {"list": {"status": "pending", "notes": "n"}}});
    root(&lab, file, &all, &[]);
    lab.must(&["compact"]);
    let text = std::fs::read_to_string(lab.path(file)).unwrap();
    assert!(text.contains("\"seq\""), "a snapshot is in place");
    let less = json!({"phases": {"list": {"status": "pending"}}});
    let stays = [
        [
            HOUSE,
            "list",
            "not in the file any more",
            r#"{"notes":"n"}"#,
        ]
        .map(str::to_owned),
        [HOUSE, "-", "not in the file any more", r#"{"url":"u"}"#].map(str::to_owned),
    ];
    assert_eq!(root(&lab, file, &less, &[]), (Some(3), stays.to_vec()));
    assert_eq!(fields(&lab), json!(["u", "n", null, null]));
    assert_eq!(
        root(&lab, file, &less, &["--prefer", "file"]),
        (Some(0), vec![])
    );
    assert_eq!(fields(&lab), json!([null, null, null, null]));
}

/// The lists of a file with extractions tell how each one ended: the file that said so takes it back.
#[test]
fn an_extraction_follows_the_file_that_told_of_it() {
    let lab = store();
    let write = |completed: &[&str], failed: &[&str], checked: &Value, args: &[&str]| {
        let file = json!({"completed_properties": completed, "failed_properties": failed, "property_last_checked": checked, "last_updated": null});
        lab.write("old/extraction_state.json", &file.to_string());
        judged(&lab, &[&["old/extraction_state.json"], args].concat())
    };
    let status = || json_of(&lab.must(&["--json", "show", HOUSE]))["extraction"]["status"].take();
    let checked = json!({HOUSE: "2025-12-04T00:35:00Z"});
    assert_eq!(write(&[HOUSE], &[], &checked, &[]), (Some(0), vec![]));
    assert_eq!(write(&[], &[HOUSE], &checked, &[]), (Some(0), vec![]));
    assert_eq!(status(), "failed");
    // Its place in the lists alone is gone, then the time as well.
    let stays = |what| vec![[HOUSE, "-", "not in the file any more", what].map(str::to_owned)];
    assert_eq!(write(&[], &[], &checked, &[]), (Some(3), stays("failed")));
    assert_eq!(status(), "failed");
    assert_eq!(write(&[HOUSE], &[], &checked, &[]), (Some(0), vec![]));
    let at = "2025-12-04T00:35:00.000000Z";
    assert_eq!(write(&[HOUSE], &[], &json!({}), &[]), (Some(3), stays(at)));
    // Somebody else says otherwise: that stays.
    lab.must(&["extract", HOUSE, "failed"]);
    lab.must(&["extract", HOUSE, "completed"]);
    let (exit, found) = write(&[], &[HOUSE], &json!({}), &[]);
    let wanted = [HOUSE, "-", "failed", "completed"].map(str::to_owned);
    assert_eq!((exit, found), (Some(3), vec![wanted]));
    assert_eq!(
        write(&[], &[HOUSE], &json!({}), &["--prefer", "file"]),
        (Some(0), vec![])
    );
    assert_eq!(status(), "failed");
}
