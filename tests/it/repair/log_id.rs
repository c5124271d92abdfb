//! Which log it is stays so, though every header that says it is hurt.

use phaselog::log::frame;
use phaselog::log::header::SegmentHeader;
use phaselog::store::repair::{Occasion, Repaired};
use phaselog::testing::SimDisk;

use super::{apply, check_mended, issued, lines, mend, plan};
use crate::damage::{fresh, segments, small_store};

/// A log of one segment, without snapshots.
fn one_segment() -> SimDisk {
    let base = small_store();
    let paths = segments(&base);
    let first = base.peek(&paths[0]).unwrap();
    let disk = SimDisk::new();
    for dir in ["data", "data/wal"] {
        disk.plant_dir(dir).unwrap();
    }
    disk.plant(&paths[0], &first).unwrap();
    for lock in ["lock", "compact.lock"] {
        disk.plant(format!("data/wal/{lock}"), b"").unwrap();
    }
    disk
}

/// The header that a segment begins with, or that stands in it.
fn header(disk: &SimDisk, path: &str) -> SegmentHeader {
    let bytes = disk.peek(path).unwrap();
    let all = lines(&bytes);
    let mut frames = all
        .iter()
        .filter_map(|(_, line)| frame::parse(&line[..line.len() - 1]).ok());
    frames
        .find_map(|frame| SegmentHeader::parse(frame.payload).ok())
        .unwrap()
}

/// Once a header whose key `log` was hurt, or that stood behind another line, told nobody whose it was: the repair made an id up. When
/// the header could be read again, no plan was found any more: the rest of the log belonged to another one.
#[test]
fn a_hurt_header_still_says_whose_it_is() {
    let base = one_segment();
    let path = &segments(&base)[0];
    let whole = base.peek(path).unwrap();
    let id = header(&base, path).log;
    let all = lines(&whole);
    let (first, second) = (all[0].1, all[1].1);
    let key = memchr::memmem::find(first, b"\"log\"").unwrap();
    let mut hurt = first.to_vec();
    hurt[key + 4] ^= 0x80;
    let rest = &whole[first.len() + second.len()..];
    let swapped = [second, &hurt, rest].concat();
    let disk = fresh(&base);
    disk.plant(path, &swapped).unwrap();
    let known = issued(&base);
    let before = mend(&disk, &known, "a hurt header behind the next line").lost;
    let last = segments(&disk).pop().unwrap();
    assert_eq!(header(&disk, &last).log, id);
    // Somebody puts the lines back in order; the header of the repair is hurt.
    disk.plant(path, &[&hurt, second, rest].concat()).unwrap();
    let mut bytes = disk.peek(&last).unwrap();
    bytes[key + 3] ^= 1;
    disk.plant(&last, &bytes).unwrap();
    let planned = plan(&disk);
    // Until the header that gave it up could be read again it was there: it is typed once more.
    for lost in &planned.lost {
        let known = before
            .iter()
            .any(|range| range.from <= lost.from && lost.to <= range.to);
        assert!(known, "{planned:#?}");
    }
    let done = apply(&disk, Occasion::Hurt, &planned.lost);
    assert!(matches!(done, Repaired::Done { .. }), "{done:?}");
    check_mended(&disk, &issued(&disk), false, "the lines in order again");
    assert_eq!(header(&disk, path).log, id);
}

/// What a person puts back after a repair may say another id than what the repair could tell. The last header, which gave it up,
/// knows better.
#[test]
fn a_header_that_was_given_up_does_not_say_whose_the_log_is() {
    let base = one_segment();
    let path = &segments(&base)[0];
    let whole = base.peek(path).unwrap();
    let first = lines(&whole)[0].1.len();
    let mut hurt = whole.clone();
    hurt[..first - 1].fill(b'x');
    let disk = fresh(&base);
    disk.plant(path, &hurt).unwrap();
    mend(&disk, &issued(&base), "nothing is left of the header");
    let last = segments(&disk).pop().unwrap();
    assert_ne!(
        header(&disk, &last).log,
        header(&base, path).log,
        "nobody knows it"
    );
    disk.plant(path, &whole).unwrap();
    check_mended(
        &disk,
        &issued(&disk),
        false,
        "and somebody has a copy of it",
    );
}
