//! Files that are cut, gone, or under other names: each has a plan, and the plan works.

use std::path::Path;

use phaselog::store::repair::{self, Occasion, Repaired, SeqRange, StepKind};

use super::{issued, lines, mend, plan};
use crate::damage::{DIR, fresh, open, options, segments, small_store};

#[test]
fn whatever_is_cut_or_gone_has_a_plan() {
    let base = small_store();
    let issued = issued(&base);
    let paths = segments(&base);
    let mut plans = 0;
    for (index, path) in paths.iter().enumerate() {
        let bytes = base.peek(path).unwrap();
        for len in (0..bytes.len()).filter(|len| len % 23 == 0) {
            let disk = fresh(&base);
            disk.plant(path, &bytes[..len]).unwrap();
            let planned = mend(&disk, &issued, &format!("{path} cut at {len}"));
            assert!(!planned.lost.is_empty());
            plans += 1;
        }
        for (place, line) in lines(&bytes) {
            let what = format!("{path} byte {place}");
            let without = [&bytes[..place], &bytes[place + line.len()..]].concat();
            let twice = [&bytes[..place], line, &bytes[place..]].concat();
            for (what, hurt) in [("without", without), ("twice", twice)]
                .map(|(how, hurt)| (format!("{what} {how}"), hurt))
            {
                let disk = fresh(&base);
                disk.plant(path, &hurt).unwrap();
                if open(&disk).is_ok() {
                    continue;
                }
                mend(&disk, &issued, &what);
                plans += 1;
            }
        }
        let disk = fresh(&base);
        disk.uproot(path).unwrap();
        let planned = mend(&disk, &issued, &format!("segment {index} missing"));
        assert!(
            !planned.lost.is_empty() && planned.items_unknown,
            "{planned:?}"
        );
        plans += 1;
    }
    for gone in [[0, 1], [1, 2], [0, 2]] {
        let disk = fresh(&base);
        for index in gone {
            disk.uproot(&paths[index]).unwrap();
        }
        mend(&disk, &issued, &format!("segments {gone:?} missing"));
        plans += 1;
    }
    println!("{plans} kinds of damage, each with a plan that works");
}

#[test]
fn segments_under_other_names_are_put_back() {
    let base = small_store();
    let issued = issued(&base);
    let paths = segments(&base);
    let bytes: Vec<Vec<u8>> = paths.iter().map(|path| base.peek(path).unwrap()).collect();
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        let disk = fresh(&base);
        disk.plant(&paths[a], &bytes[b]).unwrap();
        disk.plant(&paths[b], &bytes[a]).unwrap();
        let planned = mend(&disk, &issued, &format!("{a} and {b} swapped"));
        assert_eq!(planned.lost, []);
        assert!(
            planned
                .steps
                .iter()
                .all(|step| step.kind == StepKind::PutBack)
        );
        assert_eq!(
            (
                &disk.peek(&paths[a]).unwrap(),
                &disk.peek(&paths[b]).unwrap()
            ),
            (&bytes[a], &bytes[b])
        );
    }
    for index in 0..3 {
        let disk = fresh(&base);
        disk.uproot(&paths[index]).unwrap();
        disk.plant(format!("{}.old", paths[index]), &bytes[index])
            .unwrap();
        let ports = disk.ports_for("mender");
        let planned = plan(&disk);
        assert_eq!(planned.lost, [], "{planned:?}");
        let done = repair::apply(&ports, Path::new(DIR), &options(), Occasion::Hurt, &[]).unwrap();
        assert!(matches!(done, Repaired::Done { .. }));
        assert_eq!(disk.peek(&paths[index]).unwrap(), bytes[index]);
        assert!(open(&disk).is_ok());
    }
    // A hurt copy is not taken for it.
    let disk = fresh(&base);
    disk.uproot(&paths[1]).unwrap();
    let mut hurt = bytes[1].clone();
    let at = hurt.len() - 30;
    hurt[at] ^= 1;
    disk.plant(format!("{}.old", paths[1]), &hurt).unwrap();
    assert!(!plan(&disk).lost.is_empty());
}

/// A segment that was given up with its file leaves nobody who says where the one before it ends. Once any stop behind the first
/// range that was given up in that one was taken for its end, and what was cut off there was lost without a word.
#[test]
fn what_is_cut_off_before_a_lost_segment_is_told() {
    let base = small_store();
    let paths = segments(&base);
    let mut bytes = base.peek(&paths[1]).unwrap();
    let places = lines(&bytes);
    let (hurt, cut) = (places[2].0, places[places.len() - 2].0);
    bytes[hurt + 4..hurt + 16].fill(b'!');
    base.plant(&paths[1], &bytes).unwrap();
    mend(&base, &issued(&base), "a record");
    base.uproot(&paths[2]).unwrap();
    let planned = mend(&base, &issued(&base), "the segment behind it");
    let first = planned.lost[0].from;
    base.plant(&paths[1], &bytes[..cut]).unwrap();
    assert!(open(&base).is_err());
    let planned = mend(&base, &issued(&base), "the end of the one before");
    let two = SeqRange {
        from: first.before().before(),
        to: first.before(),
    };
    assert_eq!(planned.lost, [two]);
}
