//! Hostile directories: links, rights, lengths that lie, files without an end. Nothing outside the store is touched,
//! memory stays bounded, and no command dies of it.

use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use phaselog::log::frame::{self, Crc};
use phaselog::position::Seq;

use crate::support::{HOUSE, Lab, PROGRAM};

const FIRST: &str = "data/wal/00000000000000000001.wal";

/// Every file and directory below one, with its rights.
fn modes(dir: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = vec![(
        dir.to_owned(),
        std::fs::metadata(dir).unwrap().mode() & 0o777,
    )];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(modes(&path));
        } else {
            let mode = std::fs::metadata(&path).unwrap().mode() & 0o777;
            found.push((path, mode));
        }
    }
    found
}

#[test]
fn files_have_no_more_rights_than_the_directory() {
    let lab = Lab::new().env("PHASELOG_SEGMENT_BYTES", "1");
    std::fs::create_dir(lab.path("data")).unwrap();
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(lab.path("data"), private).unwrap();
    lab.write(
        "old.json",
        r#"{"work_items":[{"address":"1 Example St","phases":{"p1":{"status":"pending"}}}]}"#,
    );
    lab.must(&["import", "old.json"]);
    lab.start("1 Example St", "p1");
    lab.must(&["compact"]);
    lab.must(&["complete", "1 Example St", "p1"]);
    lab.must(&["compact"]);
    lab.must(&["backup", "copy"]);
    lab.must(&["repair", "--restored", "--apply"]);
    let all = [modes(&lab.path("data")), modes(&lab.path("copy"))].concat();
    assert!(all.len() > 20, "{all:?}");
    for (path, mode) in all {
        assert_eq!(mode & 0o077, 0, "{} has {mode:o}", path.display());
    }
}

/// An empty directory that keeps others out is a good place for a backup: what takes its place keeps them out too.
#[test]
fn a_backup_in_place_of_a_private_directory_is_private() {
    let lab = Lab::with_store();
    let copy = lab.path("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o700)).unwrap();
    lab.must(&["compact"]);
    lab.must(&["backup", "copy"]);
    for (path, mode) in modes(&copy) {
        assert_eq!(mode & 0o077, 0, "{} has {mode:o}", path.display());
    }
}

#[test]
fn a_store_that_is_open_to_all_is_warned_about() {
    let lab = Lab::with_store();
    for open in ["data", "data/wal"] {
        let rights = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(lab.path(open), rights(0o777)).unwrap();
        let status = lab.must(&["status"]);
        let said = format!("{open} is open to all: every user of the system may replace its files");
        assert!(status.stderr.contains(&said), "{}", status.text());
        let verified = lab.run(&["verify"]);
        assert_eq!(verified.exit, Some(3), "{}", verified.text());
        assert!(verified.stdout.contains("V-OPEN"), "{}", verified.text());
        std::fs::set_permissions(lab.path(open), rights(0o755)).unwrap();
    }
    assert_eq!(lab.must(&["status"]).stderr, "");
}

/// As `doctor` warns, so do the commands that people run every day.
#[test]
fn files_that_all_may_write_and_a_sticky_directory_are_warned_about() {
    let lab = Lab::with_store();
    lab.must(&["compact"]);
    std::fs::create_dir(lab.path("data/wal/quarantine")).unwrap();
    for (name, mode, what) in [
        (
            "data",
            0o1777,
            "every user of the system may put files there",
        ),
        (
            "data/wal",
            0o1777,
            "every user of the system may put files there",
        ),
        (FIRST, 0o666, "every user of the system may write to it"),
        (
            "data/wal/lock",
            0o646,
            "every user of the system may write to it",
        ),
        (
            "data/work_items.json",
            0o666,
            "every user of the system may write to it",
        ),
        (
            "data/wal/cache",
            0o666,
            "every user of the system may write to it",
        ),
        (
            "data/wal/quarantine",
            0o777,
            "every user of the system may put files there",
        ),
    ] {
        let before = std::fs::metadata(lab.path(name)).unwrap().permissions();
        let rights = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(lab.path(name), rights).unwrap();
        let status = lab.must(&["status"]);
        let said = format!("warning: {name}: {what}; chmod o-w {name}\n");
        assert_eq!(status.stderr, said, "{}", status.text());
        let told = lab.must(&["--json", "status"]);
        assert!(told.stdout.contains("W-WORLD-WRITABLE"), "{}", told.text());
        let verified = lab.run(&["verify"]);
        assert_eq!(verified.exit, Some(3), "{}", verified.text());
        let named = name.strip_prefix("data/").unwrap_or(".");
        let line = verified.stdout.lines().find(|line| line.contains("V-OPEN"));
        let line = line.unwrap_or_else(|| panic!("{}", verified.text()));
        assert!(
            line.contains(&format!("\t{named}")) && line.contains(what),
            "{line}"
        );
        std::fs::set_permissions(lab.path(name), before).unwrap();
    }
    assert_eq!(lab.must(&["status"]).stderr, "");
    lab.must(&["verify"]);
}

/// Who may change what a link leads to would choose where the log is.
#[test]
fn a_wal_that_is_a_link_is_not_followed() {
    let lab = Lab::with_store();
    std::fs::rename(lab.path("data/wal"), lab.path("elsewhere")).unwrap();
    symlink(lab.path("elsewhere"), lab.path("data/wal")).unwrap();
    let before = modes(&lab.path("elsewhere"));
    for args in [
        &["status"][..],
        &["start", HOUSE, "list"],
        &["init", "--phase", "p"],
        &["resume"],
        &["compact"],
        &["log"],
        &["history", HOUSE],
        &["verify"],
        &["repair"],
        &["repair", "--apply"],
        &["backup", "copy"],
        &["replay"],
        &["export", "--as", "csv"],
    ] {
        let refused = lab.run(args);
        assert_eq!(refused.exit, Some(1), "{}", refused.text());
        assert!(
            refused
                .stderr
                .contains("wal: it is a symbolic link, and is not followed"),
            "{}",
            refused.text()
        );
    }
    assert_eq!(modes(&lab.path("elsewhere")), before);
    // No new store is made through one either.
    std::fs::create_dir(lab.path("new")).unwrap();
    std::fs::create_dir(lab.path("theirs")).unwrap();
    symlink(lab.path("theirs"), lab.path("new/wal")).unwrap();
    let refused = lab.run(&["-s", "new", "init", "--phase", "p", "1 Example St"]);
    assert_eq!(refused.exit, Some(1), "{}", refused.text());
    lab.write("items.json", r#"{"work_items":[]}"#);
    let refused = lab.run(&["-s", "new", "import", "items.json"]);
    assert_eq!(refused.exit, Some(1), "{}", refused.text());
    assert_eq!(std::fs::read_dir(lab.path("theirs")).unwrap().count(), 0);
}

/// Each name of ours is a link to somebody's file: whatever is done, that file stays as it is.
#[test]
fn no_link_is_followed() {
    for name in [
        "wal/00000000000000000001.wal",
        "wal/lock",
        "wal/compact.lock",
        "wal/mark",
        "wal/poisoned",
        "wal/heartbeats",
        "wal/cache",
        "work_items.json",
        "work_items.json.bak",
        "work_items.json.next",
        "enrichment_data.json",
        "extraction_state.json",
    ] {
        for dangling in [false, true] {
            let lab = Lab::with_store();
            let path = lab.path("data").join(name);
            let kept = std::fs::read(&path).unwrap_or_else(|_| b"somebody's".to_vec());
            if !dangling {
                std::fs::write(lab.path("theirs"), &kept).unwrap();
            }
            let _ = std::fs::remove_file(&path);
            symlink(lab.path("theirs"), &path).unwrap();
            for args in [
                &["status"][..],
                &["start", HOUSE, "list"],
                &["compact"],
                &["compact", "--discard-edits"],
                &["heartbeat", "7"],
                &["resume"],
                &["verify", "--deep"],
                &["repair", "--apply"],
                &["backup", "copy"],
            ] {
                let output = lab.run(args);
                assert!(
                    output.exit.is_some_and(|exit| exit < 100),
                    "{name}: {}",
                    output.text()
                );
            }
            let there = std::fs::read(lab.path("theirs")).ok();
            assert_eq!(there, (!dangling).then_some(kept), "{name}");
        }
    }
}

/// A backup once copied whatever a linked `wal/imported` led to.
#[test]
fn a_backup_copies_nothing_from_behind_a_link() {
    for folder in ["imported", "quarantine"] {
        let lab = Lab::with_store();
        std::fs::create_dir(lab.path("theirs")).unwrap();
        std::fs::write(lab.path("theirs/secret"), "somebody's").unwrap();
        let place = lab.path("data/wal").join(folder);
        let _ = std::fs::remove_dir(&place);
        symlink(lab.path("theirs"), &place).unwrap();
        let output = lab.run(&["backup", "copy"]);
        assert!(output.text().contains("is not copied"), "{}", output.text());
        assert!(!lab.path("copy/wal").join(folder).join("secret").exists());
        assert!(lab.path("copy/wal/00000000000000000001.wal").exists());
    }
}

/// Runs a command with so much memory, in KiB.
fn within(lab: &Lab, kib: u64, args: &[&str]) -> (Option<i32>, String) {
    let line = format!("ulimit -v {kib}; exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &line, PROGRAM])
        .args(args)
        .current_dir(lab.path("."))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), said)
}

/// A line without an end, of gigabytes, that takes no room on the disk: told, and never held in memory.
#[test]
fn a_line_without_an_end_is_told_in_bounded_memory() {
    let full = std::env::var_os("PHASELOG_TEST_FULL").is_some();
    let bytes = if full { 4 << 30 } else { 700 << 20 };
    for (half, end) in [(&b""[..], false), (b"x", false), (b"x", true)] {
        let lab = Lab::with_store();
        let path = lab.path(FIRST);
        let mut whole = std::fs::read(&path).unwrap();
        whole.extend_from_slice(half);
        std::fs::write(&path, whole).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(bytes).unwrap();
        if end {
            file.write_at(b"x", bytes - 1).unwrap();
        }
        // NULs to the end are what a power cut leaves, however many they are; no crash leaves something behind so many.
        let exits = if end {
            [7, 7, 7, 3, 7]
        } else {
            [0, 3, 0, 3, 0]
        };
        let commands = [
            &["status"][..],
            &["verify"],
            &["history", HOUSE],
            &["repair"],
            &["start", HOUSE, "list"],
        ];
        for (args, expected) in commands.into_iter().zip(exits) {
            let (exit, said) = within(&lab, 400 << 10, args);
            assert_eq!(exit, Some(expected), "{args:?}: {said}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
    }
}

/// Names without number: what is no segment is passed over, and what is one is told.
#[test]
fn names_without_number_take_no_memory() {
    let full = std::env::var_os("PHASELOG_TEST_FULL").is_some();
    let count = if full { 1_000_000 } else { 20_000 };
    let lab = Lab::with_store();
    for n in 0..count {
        std::fs::write(lab.path(&format!("data/wal/other-{n:09}")), "").unwrap();
    }
    let (exit, said) = within(&lab, 200 << 10, &["status"]);
    assert_eq!(exit, Some(0), "{said}");
    let (exit, said) = within(&lab, 200 << 10, &["verify"]);
    assert_eq!(exit, Some(0), "{said}");
    for n in 0..count / 10 {
        std::fs::write(lab.path(&format!("data/wal/{:020}.wal", n + 100)), "").unwrap();
    }
    let (exit, said) = within(&lab, 400 << 10, &["status"]);
    assert_eq!(exit, Some(7), "{said}");
    let (exit, said) = within(&lab, 1 << 20, &["verify"]);
    assert_eq!(exit, Some(7), "{}", said.lines().next().unwrap_or_default());
}

/// Empty files with the names of segments: the plan is made in a time that grows as their number does.
#[test]
fn a_plan_for_names_without_number_takes_no_longer_for_each() {
    let (lab, count) = (Lab::with_store(), 20_000);
    for n in 0..count {
        std::fs::write(lab.path(&format!("data/wal/{:020}.wal", n + 100)), "").unwrap();
    }
    let (exit, said) = within(&lab, 1 << 20, &["repair"]);
    assert_eq!(exit, Some(3), "{}", said.lines().next().unwrap_or_default());
}

/// Appends a record that verifies.
fn append(lab: &Lab, payload: &str) {
    let path = lab.path(FIRST);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes[..bytes.len() - 1]
        .split(|&byte| byte == b'\n')
        .next_back();
    let last = frame::parse(last.unwrap()).unwrap();
    let (crc, seq): (Crc, Seq) = (last.crc, last.seq.next());
    let durable = last.seq;
    let _ = frame::encode(&mut bytes, crc, seq, durable, payload);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn json_that_nests_ten_thousand_deep_overflows_nothing() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let lists = deep("[", "]");
    let objects = deep("{\"a\":", "}").replacen('}', "1}", 1);
    for nested in [&lists, &objects] {
        let lab = Lab::with_store();
        append(
            &lab,
            &format!(
                r#"{{"at":"2026-11-23T01:40:15.123456Z","event":"added","item":"x","deep":{nested}}}"#
            ),
        );
        let ends = |args: &[&str]| {
            let output = lab.run(args);
            assert!(
                output.exit.is_some_and(|exit| exit < 100),
                "{:?}",
                output.exit
            );
        };
        for args in [
            &["status"][..],
            &["verify", "--deep"],
            &["log"],
            &["--json", "log"],
            &["history", "x"],
            &["repair"],
        ] {
            ends(args);
        }
        let lab = Lab::with_store();
        lab.must(&["compact"]);
        let root = std::fs::read_to_string(lab.path("data/work_items.json")).unwrap();
        lab.write(
            "data/work_items.json",
            &root.replacen("\"session\"", &format!("\"x\": {nested}, \"session\""), 1),
        );
        let status = lab.must(&["status"]);
        assert!(
            status.stderr.contains("work_items.json"),
            "{}",
            status.stderr
        );
        lab.write("old.json", &format!("{{\"work_items\":[{nested}]}}"));
        let imported = lab.run(&["-s", "other", "import", "old.json"]);
        assert_eq!(imported.exit, Some(1), "{:?}", imported.exit);
    }
}

/// A snapshot that verifies and claims what cannot be.
#[test]
fn a_snapshot_that_claims_huge_numbers_is_not_believed() {
    for (from, to) in [
        (
            "\"files\": {}",
            "\"files\": {\"enrichment_data.json\": {\"bytes\": 18446744073709551615, \"crc32\": \"00000000\"}}",
        ),
        ("\"seq\": ", "\"seq\": 900000000000000000"),
        ("\"index\": 0", "\"index\": 18446744073709551615"),
        ("\"total\": 3", "\"total\": 99999999999999999999999999"),
    ] {
        let lab = Lab::with_store();
        lab.must(&["compact"]);
        let root = std::fs::read_to_string(lab.path("data/work_items.json")).unwrap();
        if !root.contains(from) {
            continue;
        }
        let changed = root.replacen(from, to, 1);
        let (covered, _) = changed.rsplit_once("  \"crc32\"").unwrap();
        let crc = crc32fast::hash(covered.as_bytes());
        lab.write(
            "data/work_items.json",
            &format!("{covered}  \"crc32\": \"{crc:08x}\"\n}}\n"),
        );
        for args in [
            &["status"][..],
            &["verify", "--deep"],
            &["repair"],
            &["compact"],
        ] {
            let (exit, said) = within(&lab, 400 << 10, args);
            assert!(
                exit.is_some_and(|exit| exit < 100),
                "{to} {args:?}: {exit:?} {said}"
            );
        }
        assert_eq!(lab.run(&["replay"]).exit.map(|exit| exit < 100), Some(true));
    }
}

#[test]
fn a_mark_of_any_size_is_read_as_sixty_four_bytes() {
    let lab = Lab::with_store();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(lab.path("data/wal/mark"));
    file.unwrap().set_len(4 << 30).unwrap();
    let (exit, said) = within(&lab, 200 << 10, &["status"]);
    assert_eq!(exit, Some(0), "{said}");
    // One that verifies and attests more than there is is believed: the log was cut.
    let text = format!("phaselog-mark 1 {}", 1_u64 << 62);
    let line = format!("{text} {:08x}", crc32fast::hash(text.as_bytes()));
    lab.write("data/wal/mark", &format!("{line:63}\n"));
    let (exit, said) = within(&lab, 200 << 10, &["status"]);
    assert_eq!(exit, Some(7), "{said}");
    let (exit, said) = within(&lab, 200 << 10, &["repair"]);
    assert!(exit.is_some_and(|exit| exit < 100), "{said}");
}
