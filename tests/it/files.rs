//! Files at our names that are not as we wrote them: the log decides, every message says what the file is, and what a
//! hint says helps.

use std::path::Path;

use super::support::Lab;

fn read(lab: &Lab, name: &str) -> String {
    std::fs::read_to_string(lab.path(name)).expect("the file is there")
}

/// The same store, and its snapshot with one text for another.
fn with_changed_snapshot(from: &str, to: &str) -> Lab {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    let text = read(&lab, "data/work_items.json");
    assert!(text.contains(from), "{from}");
    lab.write("data/work_items.json", &text.replacen(from, to, 1));
    lab
}

#[test]
fn a_hurt_byte_in_a_snapshot_is_no_newer_version() {
    for (from, to) in [
        ("\"last_seq\"", "\"lest_seq\""),
        ("\"1.0.0\"", "\"9.0.0\""),
        ("\"log\": {", "\"log\": {\"format\": 3,"),
    ] {
        let lab = with_changed_snapshot(from, to);
        let status = lab.must(&["status"]);
        let said = "work_items.json was changed by another program";
        assert!(status.stderr.contains(said), "{}", status.text());
        lab.start(super::support::HOUSE, "list");
        lab.must(&["compact", "--discard-edits"]);
        let status = lab.must(&["status"]);
        assert_eq!(status.stderr, "", "{}", status.text());
        assert!(read(&lab, "data/work_items.json").contains(from));
        assert!(Path::new(&lab.path("data/wal/quarantine")).exists());
    }
}

#[test]
fn an_unknown_field_keeps_its_numbers_through_import_and_snapshot() {
    let numbers = "[1e5,1E5,1.0E-7,1e400,-0,-0.0,0.90,6,6.0,154.16666666666666]";
    let lab = Lab::new();
    lab.write(
        "old.json",
        &format!(
            r#"{{"session":{{"cost":1E-9}},"work_items":[{{"address":"1 Example St","seen":{{"n":{numbers}}},"phases":{{"p1":{{"status":"pending","rate":2E+03}}}}}}]}}"#
        ),
    );
    lab.must(&["import", "old.json"]);
    lab.must(&["compact"]);
    let first = read(&lab, "data/work_items.json");
    let bare: String = first.split_whitespace().collect();
    for text in [numbers, "\"cost\":1E-9", "\"rate\":2E+03"] {
        assert!(bare.contains(text), "{text} in {first}");
    }
    // And once more, out of the snapshot.
    lab.start("1 Example St", "p1");
    lab.must(&["compact"]);
    let again: String = read(&lab, "data/work_items.json")
        .split_whitespace()
        .collect();
    assert!(again.contains(numbers), "{again}");
    assert_eq!(lab.must(&["status"]).stderr, "");
}

#[test]
fn a_file_of_which_no_item_can_be_taken_says_why() {
    let phases = r#""phases":{"p1":{"status":"pending"}}"#;
    let long = "x".repeat(70_000);
    for (items, said) in [
        (
            format!("{{{phases}}},\n{{{phases}}}"),
            "an item with neither address nor id",
        ),
        ("\"1 Example St\"".to_owned(), "is no item"),
        (format!("{{\"address\":\"{long}\",{phases}}}"), "65536"),
    ] {
        let lab = Lab::new();
        lab.write("old.json", &format!("{{\"work_items\":[\n{items}]}}"));
        let [text, json] = lab.both(&["import", "old.json"]);
        assert_eq!(text.exit, Some(1), "{}", text.text());
        for output in [&text, &json] {
            assert!(output.stderr.contains(said), "{}", output.text());
            assert!(output.stderr.contains("I-ITEM line 2, column 1"));
            assert!(!output.stderr.contains("no phase in it"));
        }
        assert!(!lab.path("data").exists());
    }
    let lab = Lab::new();
    lab.write("old.json", "{\"work_items\":[]}");
    let empty = lab.run(&["import", "old.json"]);
    assert!(empty.stderr.contains("there is no phase in it"));
}
