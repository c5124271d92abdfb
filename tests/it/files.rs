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
    // Where no item stands none had to be left out.
    let empty = lab.must(&["import", "old.json"]);
    assert!(empty.stdout.contains("I-EMPTY"), "{}", empty.text());
}

/// The id of the log that a snapshot names.
fn log_of(snapshot: &str) -> &str {
    let (_, after) = snapshot
        .rsplit_once("\"log\": {")
        .expect("it names its log");
    let (_, after) = after.split_once("\"id\": \"").expect("by its id");
    &after[..32]
}

/// A store `data` of which only the snapshots are left, with a `.bak` as most have one.
fn with_lost_log() -> Lab {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    lab.start(super::support::HOUSE, "list");
    lab.must(&["compact"]);
    std::fs::remove_dir_all(lab.path("data/wal")).expect("the log is there");
    lab
}

#[test]
fn a_snapshot_that_lost_its_log_is_taken_over_where_it_lies() {
    for mode in ["auto", "never"] {
        let lab = with_lost_log().env("PHASELOG_COMPACT", mode);
        let old = read(&lab, "data/work_items.json");
        let old_bak = read(&lab, "data/work_items.json.bak");
        let imported = lab.run(&["import", "data"]);
        assert!(matches!(imported.exit, Some(0 | 3)), "{}", imported.text());
        // Until the snapshots are written, and afterwards, nothing is in the way.
        let status = lab.must(&["status"]);
        assert_eq!(status.stderr, "", "{}", status.text());
        let again = lab.must(&["import", "data"]);
        assert!(again.stdout.starts_with("unchanged"), "{}", again.text());
        lab.must(&["complete", super::support::HOUSE, "list"]);
        lab.must(&["compact"]);
        lab.must(&["hold", super::support::HOUSE]);
        lab.must(&["compact"]);
        assert_eq!(lab.must(&["status"]).stderr, "");
        lab.must(&["verify"]);
        let new = read(&lab, "data/work_items.json");
        assert_ne!(log_of(&new), log_of(&old));
        // What lay there is kept: the root as an original, the one before it in the quarantine.
        for (folder, bytes) in [("imported", old), ("quarantine", old_bak)] {
            let folder = lab.path("data/wal").join(folder);
            let mut files = std::fs::read_dir(&folder).expect("the folder is there");
            let holds = |file: std::io::Result<std::fs::DirEntry>| {
                std::fs::read_to_string(file.expect("an entry").path()).expect("a file") == bytes
            };
            assert!(files.any(holds), "{}", folder.display());
        }
    }
}

#[test]
fn an_import_that_was_cut_short_can_be_repeated() {
    let lab = with_lost_log();
    std::fs::create_dir(lab.path("data/wal")).expect("a directory can be made");
    assert_eq!(lab.run(&["status"]).exit, Some(7));
    let imported = lab.run(&["import", "data"]);
    assert!(matches!(imported.exit, Some(0 | 3)), "{}", imported.text());
    assert_eq!(lab.must(&["status"]).stderr, "");
    // A mark says that there was more than the snapshot: that is damage, and no import hides it.
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    for entry in std::fs::read_dir(lab.path("data/wal")).expect("the log is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            std::fs::remove_file(path).expect("a segment can be removed");
        }
    }
    assert_eq!(lab.run(&["import", "data"]).exit, Some(7));
}

#[test]
fn a_replayed_snapshot_is_taken_over_where_it_was_written() {
    let lab = Lab::with_store().env("PHASELOG_COMPACT", "auto");
    lab.must(&["replay", "-o", "out"]);
    let imported = lab.run(&["-s", "out", "import", "out/work_items.json"]);
    assert!(matches!(imported.exit, Some(0 | 3)), "{}", imported.text());
    let status = lab.must(&["-s", "out", "status"]);
    assert_eq!(status.stderr, "", "{}", status.text());
    let theirs = read(&lab, "out/work_items.json");
    lab.must(&["compact"]);
    let ours = read(&lab, "data/work_items.json");
    assert_ne!(log_of(&theirs), log_of(&ours));
}

#[test]
fn a_root_of_another_log_that_was_never_taken_over_stops_everything() {
    let lab = Lab::with_store();
    let other = ["-s", "other", "init", "--phase", "list", "1 Example St"];
    lab.must(&other);
    lab.must(&["-s", "other", "compact"]);
    let root = read(&lab, "other/work_items.json");
    lab.write("data/work_items.json", &root);
    for args in [
        &["status"][..],
        &["start", super::support::HOUSE, "list"],
        &["compact", "--discard-edits"],
        &["import", "other"],
    ] {
        let refused = lab.run(args);
        assert_eq!(refused.exit, Some(7), "{}", refused.text());
        assert!(
            refused.stderr.contains("belongs to another history"),
            "{}",
            refused.text()
        );
    }
    assert_eq!(read(&lab, "data/work_items.json"), root);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_at_the_name_of_a_snapshot_is_called_what_it_is() {
    let link = |lab: &Lab, name: &str| {
        lab.write("precious.json", "{}");
        std::os::unix::fs::symlink(lab.path("precious.json"), lab.path(name))
            .expect("a link can be made");
    };
    let directory = |lab: &Lab, name: &str| {
        std::fs::create_dir(lab.path(name)).expect("a directory can be made");
    };
    for what in ["a symbolic link", "a directory"] {
        for name in ["data/work_items.json", "data/work_items.json.bak"] {
            let lab = Lab::with_store();
            if name.ends_with(".bak") {
                // It gets a file only when there is a snapshot to be kept.
                lab.must(&["compact"]);
                lab.start(super::support::HOUSE, "list");
            }
            match what {
                "a directory" => directory(&lab, name),
                _ => link(&lab, name),
            }
            if !name.ends_with(".bak") {
                let status = lab.must(&["status"]);
                assert!(status.stderr.contains(what), "{}", status.text());
                assert!(!status.stderr.contains("discard-edits"));
            }
            for args in [&["compact"][..], &["compact", "--discard-edits"]] {
                let refused = lab.run(args);
                assert_eq!(refused.exit, Some(1), "{}", refused.text());
                assert!(refused.stderr.contains(what), "{}", refused.text());
                assert!(refused.stderr.contains(&format!("move {name} away")));
                assert!(!refused.stderr.contains("discard-edits"));
            }
            // What the hint says helps.
            std::fs::rename(lab.path(name), lab.path("moved")).expect("it can be moved");
            lab.must(&["compact"]);
            assert_eq!(lab.must(&["status"]).stderr, "");
            let moved = std::fs::symlink_metadata(lab.path("moved")).expect("it is kept");
            assert!(!moved.is_file());
        }
    }
}

/// A name of ours that leads to more bytes than any snapshot has stopped every command, though the log has everything.
#[test]
fn a_snapshot_that_is_too_large_is_a_warning_and_is_kept() {
    const BYTES: u64 = 5 << 30;
    let grow = |lab: &Lab, name: &str| {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(lab.path(name))
            .expect("it can be opened");
        // Nothing but a hole: it takes no room.
        file.set_len(BYTES).expect("the file system has holes");
    };
    for name in [
        "work_items.json",
        "work_items.json.bak",
        "work_items.json.next",
        "enrichment_data.json",
    ] {
        let lab = Lab::with_store();
        lab.must(&["compact"]);
        let token = lab.start(super::support::HOUSE, "list");
        grow(&lab, &format!("data/{name}"));
        let status = lab.must(&["status"]);
        let said = format!("{name} is not usable (it is too large: {BYTES} bytes");
        let told = status.stderr.contains(&said);
        // What no root needs is looked at when it is replaced.
        assert_eq!(told, name == "work_items.json", "{name}: {}", status.text());
        lab.must(&["complete", super::support::HOUSE, "list", "--token", &token]);
        let verified = lab.run(&["verify", "--deep"]);
        assert!(matches!(verified.exit, Some(0 | 3)), "{}", verified.text());
        lab.must(&["compact"]);
        let status = lab.must(&["status"]);
        assert_eq!(status.stderr, "", "{name}: {}", status.text());
        if name == "enrichment_data.json" {
            // No set has one: it is nobody's.
            continue;
        }
        let kept = std::fs::read_dir(lab.path("data/wal/quarantine")).expect("it was made");
        let kept: Vec<_> = kept.map(|it| it.expect("it is there")).collect();
        assert_eq!(kept.len(), 1, "{name}: {kept:?}");
        let kept = &kept[0];
        assert!(
            kept.file_name().to_string_lossy().starts_with(name),
            "{kept:?}"
        );
        assert_eq!(kept.metadata().expect("it is a file").len(), BYTES);
        lab.must(&["compact"]);
    }
}

/// Found by a reader: the `.bak` that the old script made was taken for an edit, and stopped every compaction.
#[test]
fn a_scripts_own_backup_stops_no_compaction_and_is_kept() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let house = super::support::HOUSE;
    let items = serde_json::json!({"work_items": [{"address": house, "phases": {"list": {"status": "pending"}}}]});
    std::fs::create_dir(lab.path("data")).expect("a directory can be made");
    lab.write("data/work_items.json", &items.to_string());
    lab.write("data/work_items.json.bak", "{\"work_items\": []}");
    let imported = lab.must(&["import", "data"]);
    assert!(
        imported.stdout.contains("I-LEFTOVER"),
        "{}",
        imported.text()
    );
    for phase in ["list", "photos"] {
        assert_eq!(lab.must(&["status"]).stderr, "");
        assert_eq!(lab.run(&["verify", "--deep"]).exit, Some(0));
        lab.must(&["enrich", house, &format!("{phase}=1")]);
        lab.must(&["compact"]);
    }
    let kept = std::fs::read_dir(lab.path("data/wal/quarantine")).expect("it was made");
    let kept: Vec<_> = kept.map(|it| it.expect("it is there").path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let text = std::fs::read_to_string(&kept[0]).expect("it can be read");
    assert_eq!(text, "{\"work_items\": []}");
}

/// The old script copies `work_items.json` to its `.bak` each time before it writes: after two writes both are edits.
#[test]
fn the_backup_of_an_edit_stops_no_compaction() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    let (file, bak) = ("data/work_items.json", "data/work_items.json.bak");
    let read = |name: &str| std::fs::read_to_string(lab.path(name)).expect("it is there");
    for mode in ["one", "two"] {
        let edited = read(file).replacen("\"mode\": ", &format!("\"{mode}\": 1, \"mode\": "), 1);
        std::fs::copy(lab.path(file), lab.path(bak)).expect("it can be copied");
        lab.write(file, &edited);
    }
    let imported = lab.run(&["import", "data"]);
    assert_eq!(imported.exit, Some(0), "{}", imported.text());
    let compacted = lab.must(&["compact"]);
    assert_eq!(lab.must(&["status"]).stderr, "", "{}", compacted.text());
    assert_eq!(lab.run(&["verify", "--deep"]).exit, Some(0));
}

/// Found by a reader: what stood in for the root that was gone had everything, so that it was never written again.
#[test]
fn a_root_that_was_moved_to_its_bak_is_written_again_though_nothing_is_new() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    let (root, bak) = ("data/work_items.json", "data/work_items.json.bak");
    std::fs::rename(lab.path(root), lab.path(bak)).expect("it can be moved");
    lab.must(&["compact"]);
    assert!(lab.path(root).exists());
    let again = lab.must(&["compact"]);
    assert!(again.stdout.starts_with("unchanged"), "{}", again.text());
}
