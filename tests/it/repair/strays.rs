//! Files that have the name of a segment and hold none: behind the log's end, behind a gap, and in its midst.

use phaselog::position::Seq;
use phaselog::store::repair::{SeqRange, StepKind};
use phaselog::store::verify::{Extent, Verdict};

use super::{issued, lines, mend, plan};
use crate::damage::{fresh, open, segments, small_store, verified};

fn named(seq: u64) -> String {
    format!("data/wal/{seq:020}.wal")
}

fn range(from: u64, to: u64) -> SeqRange {
    SeqRange {
        from: Seq::new(from),
        to: Seq::new(to),
    }
}

#[test]
fn an_empty_file_behind_the_end_has_a_way_out() {
    let base = small_store();
    let issued = issued(&base);
    let end = *issued.last().unwrap();
    // Where the log would go on, behind a gap, and far behind it.
    for (first, content) in [
        (end + 1, &b""[..]),
        (end + 2, b""),
        (end + 2, b"rubbish\nand more"),
        (end + 900, b""),
        (end + 3_000_000, b"\0\0\0\0"),
    ] {
        let disk = fresh(&base);
        disk.plant(named(first), content).unwrap();
        let what = format!("{first}: {content:?}");
        assert_eq!(
            verified(&disk, &Extent::default()).verdict,
            Verdict::Damaged
        );
        // Nobody knows whether it was a segment once: its records, and those before it, are given up when typed.
        let planned = mend(&disk, &(1..=first).collect(), &what);
        assert_eq!(planned.lost.len(), 1, "{what}: {planned:?}");
        let lost = planned.lost[0];
        assert_eq!(lost.from.get(), end + 1, "{what}");
        assert!(lost.to.get() >= first, "{what}: {lost}");
        assert_eq!(
            disk.peek(named(first)).unwrap(),
            content,
            "{what}: the evidence"
        );
    }
}

#[test]
fn a_lost_line_before_a_hurt_header_has_a_way_out() {
    let base = small_store();
    let issued = issued(&base);
    let paths = segments(&base);
    let before = base.peek(&paths[1]).unwrap();
    let sealing = base.peek(&paths[2]).unwrap();
    let cut = lines(&before).pop().unwrap().0;
    let header = lines(&sealing)[1].0;
    let mut hurt_header = sealing.clone();
    hurt_header[9..17].fill(b'?');
    for (what, file) in [
        ("empty", Vec::new()),
        ("hurt header", hurt_header),
        ("no header", sealing[header..].to_vec()),
        ("half a header", sealing[..header / 2].to_vec()),
    ] {
        let disk = fresh(&base);
        disk.plant(&paths[1], &before[..cut]).unwrap();
        disk.plant(&paths[2], &file).unwrap();
        let planned = mend(&disk, &issued, what);
        assert_eq!(planned.lost.len(), 1, "{what}: {planned:?}");
        // The line that was cut off, and the header.
        let first = phaselog::log::frame::parse(&sealing[..header - 1])
            .unwrap()
            .seq;
        let both = range(first.get() - 1, first.get());
        let lost = planned.lost[0];
        assert_eq!(lost.from, both.from, "{what}: {lost}");
        assert!(lost.to >= both.to, "{what}: {lost}");
        if what == "hurt header" || what == "no header" {
            assert_eq!(lost, both, "{what}: what stands behind the header is kept");
        }
    }
}

#[test]
fn a_file_whose_records_stand_elsewhere_goes_into_quarantine() {
    let base = small_store();
    let issued = issued(&base);
    let last = *issued.last().unwrap();
    for first in [2, 12, last - 1, last, (1 << 63) - 1] {
        let disk = fresh(&base);
        if segments(&base).contains(&named(first)) {
            continue;
        }
        disk.plant(named(first), b"rubbish\n").unwrap();
        let what = format!("a stray {first}");
        let planned = mend(&disk, &issued, &what);
        assert_eq!(planned.lost, [], "{what}: {planned:?}");
        let did: Vec<_> = planned.steps.iter().map(|step| step.kind).collect();
        assert_eq!(did, [StepKind::SetAside], "{what}: {planned:?}");
        assert!(disk.peek(named(first)).is_none(), "{what}");
        let kept = disk.files().into_iter().any(|(path, bytes)| {
            path.contains("quarantine") && bytes.as_deref() == Some(b"rubbish\n")
        });
        assert!(kept, "{what}: the evidence is gone");
    }
    // Nothing is set aside that holds a record.
    let disk = fresh(&base);
    let bytes = base.peek(&segments(&base)[1]).unwrap();
    let line = lines(&bytes)[3].1;
    disk.plant(named(last - 1), line).unwrap();
    assert!(open(&disk).is_err());
    assert!(plan_is_no_set_aside(&disk));
}

fn plan_is_no_set_aside(disk: &phaselog::testing::SimDisk) -> bool {
    let ports = disk.ports_for("planner");
    let planned = phaselog::store::repair::plan(
        &ports,
        std::path::Path::new(crate::damage::DIR),
        &crate::damage::options(),
        phaselog::store::repair::Occasion::Hurt,
    );
    let _ = plan;
    planned.is_err()
        || planned
            .unwrap()
            .steps
            .iter()
            .all(|step| step.kind != StepKind::SetAside)
}
