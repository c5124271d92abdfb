//! The form in which a file comes: which of two stays, what goes with what in it, and what stands in it twice.

use serde_json::{Value, json};

use crate::fields::{changed, json_of, judged, notes};
use crate::support::{HOUSE, HOUSES, Lab, shows};

const DATA: &str = "data/enrichment_data.json";
const EXTRACTION: &str = "data/extraction_state.json";

/// A list of two houses' data, and extractions of all forms; a snapshot is written.
fn with_companions() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, c] = HOUSES;
    lab.must(&["init", "--phase", "list", a, b, c]);
    lab.must(&["enrich", a, "price=1"]);
    lab.must(&["extract", a, "failed"]);
    lab.must(&["extract", b, "in_progress"]);
    lab.must(&["compact"]);
    lab
}

fn load(lab: &Lab, file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(lab.path(file)).unwrap()).unwrap()
}

fn keys(lab: &Lab, file: &str) -> Vec<String> {
    load(lab, file)
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn our_files_keep_the_form_that_their_readers_know() {
    let lab = with_companions();
    let [_, _, c] = HOUSES;
    let v2 = keys(&lab, EXTRACTION);
    lab.write("dict.json", &json!({c: {"price": 2}, "_v": 1}).to_string());
    let older = json!({"completed_properties": [c], "failed_properties": []});
    lab.write("older.json", &older.to_string());
    for (file, message) in [
        (
            "dict.json",
            "the file has the form dict; enrichment_data.json is written as list still, as its readers know it; \
             _v of the file has no place in that, the store keeps it",
        ),
        (
            "older.json",
            "the file has the form older; extraction_state.json is written as v2 still, as its readers know it",
        ),
    ] {
        let dry = lab.run(&["--json", "import", "--dry-run", file]);
        let told = changed(1, &lab, &[file]);
        for output in [dry, told] {
            assert_eq!(
                (output.exit, notes(&output, "I-SHAPE")),
                (Some(0), vec![message.to_owned()])
            );
        }
    }
    lab.must(&["compact"]);
    assert_eq!(load(&lab, DATA).as_array().unwrap().len(), 2);
    assert_eq!(keys(&lab, EXTRACTION), v2);
    let state = load(&lab, EXTRACTION);
    assert_eq!(
        (
            &state["in_progress_properties"],
            &state["completed_properties"]
        ),
        (&json!([HOUSES[1]]), &json!([c]))
    );
    assert_eq!(state["retry_counts"][HOUSE], 1);
    // Asked to, the file's form counts.
    lab.must(&["import", "--prefer", "file", "dict.json"]);
    let told = changed(0, &lab, &["--prefer", "file", "older.json"]);
    assert_eq!(
        notes(&told, "I-SHAPE"),
        [
            "the file has the form older, ours had v2; from now on extraction_state.json is written as older"
        ]
    );
    lab.must(&["compact"]);
    assert_eq!(load(&lab, DATA)["_v"], 1);
    assert_eq!(keys(&lab, EXTRACTION).len(), 3);
    // A form that has all of ours and more is taken over, so that nothing that it says is missing there.
    let more = json!({"completed_properties": [c], "failed_properties": [], "in_progress_properties": [], "retry_counts": {HOUSES[1]: 4}});
    lab.write("more.json", &more.to_string());
    let told = changed(1, &lab, &["more.json"]);
    assert_eq!(
        notes(&told, "I-SHAPE"),
        [
            "the file has the form v2, ours had older; from now on extraction_state.json is written as v2"
        ]
    );
    lab.must(&["compact"]);
    assert_eq!(load(&lab, EXTRACTION)["retry_counts"][HOUSES[1]], 4);
    // Who lays his own file out anew wants it so.
    lab.write(
        DATA,
        &json!([{"full_address": c, "price": 2}, {"full_address": HOUSE, "price": 1}]).to_string(),
    );
    let told = changed(0, &lab, &[DATA]);
    assert_eq!(
        notes(&told, "I-SHAPE"),
        [
            "the file has the form list, ours had dict; from now on enrichment_data.json is written as list"
        ]
    );
    lab.must(&["compact"]);
    assert!(load(&lab, DATA).is_array());
    lab.must(&["verify", "--deep"]);
}

#[test]
fn the_first_file_of_its_kind_brings_its_form() {
    let lab = Lab::with_store();
    lab.write("dict.json", &json!({HOUSE: {"price": 2}}).to_string());
    let told = changed(1, &lab, &["dict.json"]);
    assert_eq!(notes(&told, "I-SHAPE"), Vec::<String>::new());
    lab.must(&["compact"]);
    assert!(load(&lab, DATA).is_object());
}

#[test]
fn how_often_an_extraction_failed_goes_with_how_it_ended() {
    let lab = with_companions();
    let [a, b, _] = HOUSES;
    let rewrite = |change: &dyn Fn(&mut Value)| {
        let mut state = load(&lab, EXTRACTION);
        change(&mut state);
        lab.write(EXTRACTION, &state.to_string());
    };
    // The file ends it one way, the log the other: one thing to decide, not two.
    rewrite(&|state| {
        state["in_progress_properties"] = json!([]);
        state["failed_properties"] = json!([a, b]);
        state["retry_counts"][b] = json!(1);
    });
    lab.must(&["extract", b, "completed"]);
    let (exit, found) = judged(&lab, &[EXTRACTION]);
    let wanted = [b, "-", "failed (retry_counts 1)", "completed"];
    assert_eq!((exit, found), (Some(3), vec![wanted.map(str::to_owned)]));
    // The log has moved how it stands, and never how often it failed: the file alone says that.
    lab.must(&["compact", "--discard-edits"]);
    rewrite(&|state| state["retry_counts"][a] = json!(7));
    lab.must(&["extract", a, "completed"]);
    assert_eq!(judged(&lab, &[EXTRACTION]), (Some(0), vec![]));
    let now = json_of(&lab.must(&["--json", "show", a]))["extraction"].clone();
    assert_eq!(
        (&now["status"], &now["retry_count"]),
        (&json!("completed"), &json!(7))
    );
    // Moved on both sides it is a conflict still.
    lab.must(&["compact"]);
    rewrite(&|state| state["retry_counts"][a] = json!(9));
    lab.must(&["extract", a, "failed"]);
    let (exit, found) = judged(&lab, &[EXTRACTION]);
    assert_eq!(
        (exit, found),
        (Some(3), vec![[a, "-", "9", "8"].map(str::to_owned)])
    );
}

#[test]
fn an_item_that_stands_twice_is_told_with_both_places_and_what_differs() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let items = format!(
        r#"{{"work_items":[
 {{"address":"{HOUSE}","tier":1.0,"phases":{{"list":"done"}}}},
 {{"address":"{b}","phases":{{"list":"done"}}}},
 {{"address":"{HOUSE}","tier":1,"phases":{{"list":"failed"}},"note":"x"}},
 {{"address":"{b}","phases":{{"list":"done"}}}}]}}"#,
        b = HOUSES[1]
    );
    lab.write("work_items.json", &items);
    let data = format!(
        "[\n {{\"full_address\":\"{HOUSE}\",\"a\":1,\"n\":{{\"x\":1}},\"b\":2,\"c\":3}},\n {{\"full_address\":\"{HOUSE}\",\"a\":2,\"n\":{{\"x\":2}},\"b\":3}}]"
    );
    lab.write("enrichment_data.json", &data);
    let state = format!(
        "{{\"completed_properties\":[\"{HOUSE}\",\n\"{HOUSE}\"],\n\"failed_properties\":[\"{HOUSE}\"]}}"
    );
    lab.write("extraction_state.json", &state);
    let outputs = [lab.run(&["--store", "data", "import", "."])];
    shows("import__twice_in_a_file", &outputs);
}
