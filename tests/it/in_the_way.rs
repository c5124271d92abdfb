//! What stands in the way of a command that nobody expects there, and what is said of it: which path, and what to do.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::support::{HOUSE, Lab};

/// What stands at a name that only a compaction needs: found by doctor and verify, and a compaction stops at it before it has begun
/// another segment. No link is followed.
#[test]
fn what_stands_in_the_way_of_a_compaction_is_found_before_it() {
    type Put = fn(&Path, &Path);
    let kinds: [(&str, &str, Put); 3] = [
        ("link", "it is a symbolic link", |path, elsewhere| {
            symlink(elsewhere, path).unwrap();
        }),
        ("directory", "it is a directory", |path, _| {
            std::fs::create_dir(path).unwrap();
        }),
        ("pipe", "it is no regular file", |path, _| {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        }),
    ];
    let names = [
        ("work_items.json.bak", true),
        ("work_items.json.next", true),
        ("enrichment_data.json", true),
        ("enrichment_data.json.bak", false),
        (".work_items.json.0123456789abcdef.tmp", false),
        ("extraction_state.json", false),
    ];
    for (kind, said, put) in kinds {
        for (name, stops) in names {
            let lab = Lab::with_store();
            lab.must(&["compact"]);
            lab.must(&["enrich", HOUSE, "price=3"]);
            lab.write("elsewhere", "somebody's\n");
            let path = lab.path(&format!("data/{name}"));
            put(&path, &lab.path("elsewhere"));
            // Nobody makes a temp file of that name: a link or a pipe there is removed, and only a directory stays.
            let temp = name.ends_with(".tmp");
            let stops = stops || temp && kind == "directory";
            let what = format!("{kind} at {name}");
            if !temp || stops {
                for command in ["doctor", "verify"] {
                    let told = lab.run(&[command]);
                    assert_eq!(told.exit, Some(3), "{what}: {told:?}");
                    let line = told.stdout.lines().find(|line| line.contains(name));
                    let line = line.unwrap_or_else(|| panic!("{what}: {told:?}"));
                    assert!(line.contains(said), "{what}: {line}");
                }
                assert!(
                    lab.run(&["doctor"]).text().contains("move it away"),
                    "{what}"
                );
            }
            let before = segments(&lab);
            for _ in 0..2 {
                let done = lab.run(&["compact"]);
                if !stops {
                    assert_eq!(done.exit, Some(0), "{what}: {done:?}");
                    continue;
                }
                assert_eq!(done.exit, Some(1), "{what}: {done:?}");
                assert!(
                    done.stderr.contains(name) && done.stderr.contains(said),
                    "{what}: {done:?}"
                );
                assert!(
                    done.stderr.contains("away, then repeat the command"),
                    "{what}: {done:?}"
                );
                assert_eq!(segments(&lab), before, "{what}");
            }
            assert_eq!(
                std::fs::read_to_string(lab.path("elsewhere")).unwrap(),
                "somebody's\n"
            );
            if stops {
                std::fs::rename(&path, lab.path("away")).unwrap();
                lab.must(&["compact"]);
            }
        }
    }
}

fn segments(lab: &Lab) -> usize {
    let names = std::fs::read_dir(lab.path("data/wal")).expect("as the test made it");
    let paths = names.map(|entry| entry.expect("as the test made it").path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "wal"))
        .count()
}

/// What a repair can do about a history that is not the one that was known: nothing, and it is not named. A copy may have it.
#[test]
fn another_history_than_the_known_one_sends_to_a_copy() {
    let lab = Lab::with_store();
    let head = "0".repeat(64);
    let found = lab.run(&["verify", "--expect-head", &head, "--at", "3"]);
    assert_eq!(found.exit, Some(7), "{found:?}");
    let way = format!(
        "phaselog -s BACKUP verify --expect-head {head} --at 3 tells whether a copy of the store has it"
    );
    assert!(found.stderr.contains(&way), "{found:?}");
    assert!(
        found.stderr.contains("phaselog log --until @3 shows"),
        "{found:?}"
    );
    assert!(!found.stderr.contains("phaselog repair"), "{found:?}");
}

/// The log does not have what somebody typed into a file, and nobody says so.
#[test]
fn what_was_typed_into_a_file_is_not_said_to_be_in_the_log() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    let text = std::fs::read_to_string(lab.path("data/work_items.json")).unwrap();
    lab.write(
        "data/work_items.json",
        &text.replacen("\"status\"", "\"note\": typed, \"status\"", 1),
    );
    for command in ["doctor", "verify"] {
        let told = lab.run(&[command]);
        assert!(!told.text().contains("the log has everything"), "{told:?}");
        assert!(told.text().contains("but not what somebody"), "{told:?}");
        assert!(told.text().contains("wal/quarantine/"), "{told:?}");
    }
    lab.must(&["start", HOUSE, "list"]);
    lab.must(&["compact"]);
    let kept = std::fs::read_dir(lab.path("data/wal/quarantine")).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
    let whole = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains("typed");
    assert!(kept.iter().any(whole), "{kept:?}");
}

/// What a compaction must keep needs a place: without one nothing is begun.
#[test]
fn without_a_place_for_what_is_kept_no_compaction_begins() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    lab.write("data/work_items.json", "{");
    lab.write("data/wal/quarantine", "");
    let before = segments(&lab);
    for _ in 0..2 {
        let done = lab.run(&["compact"]);
        assert_eq!(done.exit, Some(1), "{done:?}");
        assert!(done.stderr.contains("data/wal/quarantine"), "{done:?}");
        assert!(
            done.stderr.contains("move away what stands there"),
            "{done:?}"
        );
        assert_eq!(segments(&lab), before);
    }
    std::fs::remove_file(lab.path("data/wal/quarantine")).unwrap();
    lab.must(&["compact"]);
}

/// What stands in the way of the compaction behind a command does not undo the command.
#[test]
fn an_import_counts_though_no_snapshot_could_be_written_behind_it() {
    let lab = Lab::with_store().env("PHASELOG_COMPACT", "always");
    lab.must(&["enrich", HOUSE, "price=3"]);
    let path = lab.path("data/enrichment_data.json.bak");
    std::fs::create_dir(&path).unwrap();
    let file = format!(r#"[{{"full_address":"{HOUSE}","beds":4}}]"#);
    lab.write("w.json", &file);
    let told = lab.run(&["import", "w.json"]);
    assert_eq!(told.exit, Some(0), "{told:?}");
    let not_written = "warning: the snapshots were not written: ";
    let warned = |line: &&str| line.starts_with(not_written) && line.contains("data.json.bak");
    assert!(told.stderr.lines().any(|line| warned(&line)), "{told:?}");
    let data = || lab.must(&["show", HOUSE, "--data"]).stdout;
    assert!(data().contains("\"beds\": 4"), "{}", data());
    let file = || std::fs::read_to_string(lab.path("data/enrichment_data.json")).unwrap();
    assert!(!file().contains("beds"), "{}", file());
    // As soon as nothing stands there they are written behind the next command that writes.
    std::fs::remove_dir(&path).unwrap();
    let told = lab.must(&["add", "another"]);
    assert!(!told.stderr.contains(not_written), "{told:?}");
    assert!(file().contains("beds"), "{}", file());
}
