//! Snapshots beside a hurt log: they keep what they can, are compared with a replay, and are set aside if they must be.

use std::path::Path;

use phaselog::store::repair::{Repaired, StepKind};
use phaselog::store::verify::{Extent, Finding, Verdict, Verified};
use phaselog::testing::SimDisk;
use phaselog::{Compacted, Error};

use super::{apply, check_mended, issued, lines, plan};
use crate::damage::{fresh, open, segments, small_store, start, store, verified};
use phaselog::store::repair::Occasion;

const ROOT: &str = "data/work_items.json";

/// The small store with a snapshot, and a record and a segment behind it.
pub(super) fn compacted() -> SimDisk {
    let disk = small_store();
    let mut writer = store(&disk.ports_for("writer"));
    assert!(matches!(
        writer.compact(false).unwrap(),
        Compacted::Written { .. }
    ));
    let _ = start(&mut writer, 2, "p0");
    disk.settle();
    disk
}

fn deep(disk: &SimDisk) -> Verified {
    verified(
        disk,
        &Extent {
            deep: true,
            head: None,
        },
    )
}

fn codes(found: &Verified) -> Vec<&str> {
    found
        .findings
        .iter()
        .map(|finding: &Finding| finding.code)
        .collect()
}

/// Overwrites the checksums of a line, and of the segment's copy of the one before.
fn hurt_line(disk: &SimDisk, path: &str, line: usize) {
    let mut bytes = disk.peek(path).unwrap();
    let place = lines(&bytes)[line].0;
    bytes[place + 9..place + 17].fill(b'?');
    disk.plant(path, &bytes).unwrap();
}

/// A root with another text in it, and the checksum that goes with that.
pub(super) fn rewrite_root(disk: &SimDisk, from: &str, to: &str) {
    let text = String::from_utf8(disk.peek(ROOT).unwrap()).unwrap();
    let changed = text.replacen(from, to, 1);
    assert_ne!(changed, text, "{from} is not in it");
    let own = changed.rfind("  \"crc32\"").unwrap();
    let crc = phaselog::log::Crc::of(&changed.as_bytes()[..own]);
    let sealed = format!("{}  \"crc32\": \"{crc}\"\n}}\n", &changed[..own]);
    disk.plant(ROOT, sealed.as_bytes()).unwrap();
}

#[test]
fn a_snapshot_is_what_a_replay_gives() {
    let disk = compacted();
    let found = deep(&disk);
    assert_eq!(
        (found.verdict, codes(&found)),
        (Verdict::Clean, vec![]),
        "{:?}",
        found.findings
    );
    rewrite_root(&disk, "\"worker\": \"w1\"", "\"worker\": \"w7\"");
    assert_eq!(
        verified(&disk, &Extent::default()).verdict,
        Verdict::Clean,
        "its checksum holds"
    );
    let found = deep(&disk);
    assert_eq!(
        (found.verdict, codes(&found)),
        (Verdict::Damaged, vec!["V-DEEP"])
    );
    let message = &found.findings[0].message;
    assert!(
        message.contains("Example St") && message.contains("worker of p1"),
        "{message}"
    );
}

#[test]
fn an_edited_and_a_damaged_snapshot_are_warnings() {
    for (text, code) in [("{\"a\": 1}\n", "V-"), ("{\"a\": ", "V-")] {
        let disk = compacted();
        disk.plant(ROOT, text.as_bytes()).unwrap();
        let found = deep(&disk);
        assert_eq!(found.verdict, Verdict::Warnings, "{:?}", found.findings);
        assert!(codes(&found)[0].starts_with(code), "{:?}", found.findings);
        assert!(open(&disk).is_ok());
    }
}

#[test]
fn what_a_snapshot_covers_stays_though_its_records_are_lost() {
    let base = compacted();
    let (whole, issued) = (open(&base).unwrap(), issued(&base));
    let paths = segments(&base);
    for path in &paths[..2] {
        let disk = fresh(&base);
        hurt_line(&disk, path, 9);
        assert!(
            open(&disk).is_ok(),
            "the open reads what is behind the snapshot"
        );
        assert_eq!(
            verified(&disk, &Extent::default()).verdict,
            Verdict::Damaged
        );
        let planned = plan(&disk);
        assert_eq!(planned.lost.len(), 1);
        let stays = planned.items.iter().flat_map(|touched| &touched.then);
        assert!(
            stays.into_iter().all(|then| !then.contains("again")),
            "{:?}",
            planned.items
        );
        assert!(matches!(
            apply(&disk, Occasion::Hurt, &[]),
            Repaired::NotAccepted(_)
        ));
        assert!(matches!(
            apply(&disk, Occasion::Hurt, &planned.lost),
            Repaired::Done { .. }
        ));
        assert_eq!(open(&disk).unwrap().items(), whole.items());
        check_mended(&disk, &issued, false, path);
    }
}

#[test]
fn a_snapshot_beyond_the_end_of_the_log_is_kept() {
    let base = compacted();
    let (whole, issued) = (open(&base).unwrap(), issued(&base));
    let paths = segments(&base);
    let covered = whole.last_seq.get() - 3;
    // An older copy of the log: the last segments are not there, or cut.
    for gone in 1..paths.len() {
        for marked in [true, false] {
            let disk = fresh(&base);
            for path in &paths[paths.len() - gone..] {
                disk.uproot(path).unwrap();
            }
            if !marked {
                disk.uproot("data/wal/mark").unwrap();
            }
            let what = format!("{gone} segments gone, mark {marked}");
            assert!(open(&disk).is_err(), "{what}");
            let planned = plan(&disk);
            assert!(!planned.lost.is_empty(), "{what}: {planned:?}");
            assert_eq!(
                verified(&disk, &Extent::default()).verdict,
                Verdict::Damaged,
                "{what}"
            );
            assert!(
                planned
                    .steps
                    .iter()
                    .all(|step| step.kind != StepKind::SetAside),
                "{what}: {planned:?}"
            );
            let done = apply(&disk, Occasion::Hurt, &planned.lost);
            assert!(matches!(done, Repaired::Done { .. }), "{what}: {done:?}");
            let state = open(&disk).unwrap();
            assert_eq!(state.item_at(0), whole.item_at(0), "{what}");
            assert_eq!(state.item_at(5), whole.item_at(5), "{what}");
            assert!(state.last_seq.get() > covered);
            let known = if marked {
                issued.clone()
            } else {
                (1..=covered).collect()
            };
            check_mended(&disk, &known, false, &what);
        }
    }
}

#[test]
fn a_snapshot_of_another_history_is_set_aside() {
    let base = compacted();
    let whole = open(&base).unwrap();
    let text = String::from_utf8(base.peek(ROOT).unwrap()).unwrap();
    let log = text.rfind("\"log\":").unwrap();
    let field = |key: &str| {
        let rest = &text[log..][text[log..].find(key).unwrap() + key.len()..];
        rest.split('"').nth(2).unwrap().to_owned()
    };
    for (key, to) in [
        ("\"id", "0123456789abcdef0123456789abcdef"),
        ("\"crc32", "01234567"),
    ] {
        let disk = fresh(&base);
        let from = field(key);
        rewrite_root(&disk, &from, to);
        assert!(matches!(open(&disk), Err(Error::OtherLog { .. })), "{key}");
        let found = verified(&disk, &Extent::default());
        assert!(
            codes(&found).contains(&"V-OTHER-LOG"),
            "{:?}",
            found.findings
        );
        let planned = plan(&disk);
        assert_eq!(planned.lost, [], "{planned:?}");
        assert!(
            planned
                .steps
                .iter()
                .all(|step| step.kind == StepKind::SetAside),
            "{planned:?}"
        );
        let Repaired::Done { kept, .. } = apply(&disk, Occasion::Hurt, &[]) else {
            panic!("{key}: not done")
        };
        assert!(disk.peek(Path::new("data").join(&kept[0])).is_some());
        assert_eq!(open(&disk).unwrap().items(), whole.items());
        check_mended(&disk, &issued(&base), true, key);
    }
}

#[test]
fn a_header_behind_a_snapshot_can_be_given_up() {
    let base = compacted();
    let (whole, issued) = (open(&base).unwrap(), issued(&base));
    let last = segments(&base).pop().unwrap();
    let disk = fresh(&base);
    hurt_line(&disk, &last, 0);
    assert!(open(&disk).is_err());
    let planned = plan(&disk);
    assert_eq!(planned.lost.len(), 1);
    assert!(matches!(
        apply(&disk, Occasion::Hurt, &planned.lost),
        Repaired::Done { .. }
    ));
    assert_eq!(open(&disk).unwrap().items(), whole.items());
    check_mended(&disk, &issued, false, "header");
}
