//! Two lines that became one: a newline that is gone is put back, and no more is given up than is hurt beside it.

use phaselog::store::repair::StepKind;
use phaselog::store::verify::{Extent, Verdict};

use super::{issued, lines, mend, plan};
use crate::damage::{fresh, segments, small_store, verified};
use crate::support::{HOUSE, HOUSES, Lab};

/// Every record is whole where only a newline is hurt, as its own checksum attests: nothing is to be given up.
#[test]
fn a_newline_alone_is_put_back_wherever_it_was() {
    let base = small_store();
    let issued = issued(&base);
    for path in segments(&base) {
        let bytes = base.peek(&path).unwrap();
        for (at, line) in lines(&bytes) {
            let newline = at + line.len() - 1;
            let instead: [&[u8]; 6] = [b" ", b"\0", b"\r", b"", b"\r\n", b"  \n"];
            for other in instead {
                let disk = fresh(&base);
                let joined = [&bytes[..newline], other, &bytes[newline + 1..]].concat();
                disk.plant(&path, &joined).unwrap();
                let what = format!("{path} byte {newline}: {other:?}");
                let planned = mend(&disk, &issued, &what);
                assert_eq!(planned.lost, [], "{what}: {planned:?}");
                assert_eq!(
                    planned.steps[0].kind,
                    StepKind::Correct,
                    "{what}: {planned:?}"
                );
                assert_eq!(disk.peek(&path).unwrap(), bytes, "{what}");
            }
        }
    }
}

/// A file that an editor saved with other line ends is the same log.
#[test]
fn all_newlines_of_a_segment_are_put_back() {
    let base = small_store();
    let issued = issued(&base);
    for path in segments(&base) {
        let bytes = base.peek(&path).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        for (how, saved) in [
            ("joined", text.replace('\n', "")),
            ("crlf", text.replace('\n', "\r\n")),
        ] {
            let disk = fresh(&base);
            disk.plant(&path, saved.as_bytes()).unwrap();
            let planned = mend(&disk, &issued, how);
            assert_eq!(
                (planned.lost.len(), planned.steps.len()),
                (0, 1),
                "{how}: {planned:?}"
            );
            assert_eq!(disk.peek(&path).unwrap(), bytes, "{how}");
        }
    }
}

/// What is left of the second line attests records that were given up with it: it stays as evidence behind the new end,
/// and once made `verify` call the mended store damaged for ever, where `repair` had nothing left to do.
#[test]
fn what_was_given_up_is_no_damage_behind_the_end() {
    let base = small_store();
    let last = segments(&base).pop().unwrap();
    let bytes = base.peek(&last).unwrap();
    let all = lines(&bytes);
    let (first, second) = (all[all.len() - 2].0, all[all.len() - 1].0);
    for other in [b' ', 0, b'\r'] {
        let disk = fresh(&base);
        let mut joined = bytes.clone();
        joined[second - 1] = other;
        joined[first + 20..first + 23].fill(b'?');
        disk.plant(&last, &joined).unwrap();
        let what = format!("{other:#04x}");
        let planned = mend(&disk, &issued(&base), &what);
        assert_eq!(planned.lost.len(), 1, "{what}: {planned:?}");
        let after = verified(&disk, &Extent::default());
        assert_eq!(after.verdict, Verdict::Warnings, "{what}: {after:?}");
        assert!(plan(&disk).next.is_none(), "{what}");
    }
}

/// The hurt line and the one that it runs into once were told as one record: the event of the first, the phase of the
/// second, and the item of the second not at all.
#[test]
fn of_two_joined_lines_each_is_told_for_itself() {
    let lab = Lab::with_store();
    let segment = lab.path("data/wal/00000000000000000001.wal");
    let begin = std::fs::read(&segment).unwrap().len();
    lab.must(&["enrich", HOUSE, "price=3"]);
    lab.start(HOUSES[1], "list");
    let mut bytes = std::fs::read(&segment).unwrap();
    let newline = begin
        + bytes[begin..]
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap();
    bytes[newline] = b' ';
    for place in [20, newline - begin + 20] {
        bytes[begin + place..begin + place + 3].fill(b'?');
    }
    std::fs::write(&segment, &bytes).unwrap();
    let told = lab.run(&["repair"]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    let first = format!("{HOUSE}: lost: enriched (data: price); its data stands as before");
    assert!(told.stdout.contains(&first), "{}", told.text());
    let second = format!("{}: lost: started list; list would run again", HOUSES[1]);
    assert!(told.stdout.contains(&second), "{}", told.text());
}
