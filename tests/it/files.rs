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
