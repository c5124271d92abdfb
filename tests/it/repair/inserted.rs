//! Bytes that somebody put between the records: nothing is missing, wherever they stand, and so it is said.

use phaselog::Error;
use phaselog::error::DamageKind;
use phaselog::store::repair::StepKind;
use phaselog::store::verify::{Extent, Verdict};

use super::{issued, lines, mend};
use crate::damage::{fresh, open, segments, small_store, verified};

/// A line inserted inside a group was once told as the loss of the group (`records 3..8: it is no record`), with its items, and one
/// inserted anywhere in a sealed segment as the loss of the record at its end, which the seal then cut.
#[test]
fn a_line_of_somebodys_is_no_loss_wherever_it_stands() {
    let base = small_store();
    let issued = issued(&base);
    let whole = verified(&base, &Extent::default());
    let (mut places, mut in_groups) = (0, 0);
    for path in segments(&base) {
        let bytes = base.peek(&path).unwrap();
        for (at, line) in lines(&bytes) {
            for strange in [&b"somebody was here\n"[..], b"\n", b"\0\0\0\0\nand again\n"] {
                let what = format!("{path} byte {at}: {strange:?}");
                let disk = fresh(&base);
                let hurt = [&bytes[..at], strange, &bytes[at..]].concat();
                disk.plant(&path, &hurt).unwrap();
                let found = verified(
                    &disk,
                    &Extent {
                        deep: true,
                        head: None,
                    },
                );
                let [finding] = &found.findings[..] else {
                    panic!("{what}: {:#?}", found.findings);
                };
                let next = phaselog::log::frame::parse(&line[..line.len() - 1])
                    .unwrap()
                    .seq;
                let len = strange.len() as u64;
                assert_eq!(
                    finding.message,
                    format!(
                        "{len} bytes that are no record stand in front of record {next}; no record is missing for that"
                    ),
                    "{what}"
                );
                assert_eq!(
                    (finding.code, finding.weight),
                    ("V-FORM", Verdict::Damaged),
                    "{what}"
                );
                assert_eq!(
                    (finding.byte, finding.bytes),
                    (Some(at as u64), Some(len)),
                    "{what}"
                );
                assert_eq!(
                    (finding.seq, &finding.items[..]),
                    (Some(next), &[][..]),
                    "{what}"
                );
                assert_eq!(
                    (found.records, found.last_seq),
                    (whole.records, whole.last_seq)
                );
                if at == 0 {
                    // Who only reads looks for the header there, and for nothing else.
                    assert!(open(&disk).is_err(), "{what}");
                    continue;
                }
                // Elsewhere who only reads stops there, and says the same.
                let Err(Error::Damaged(damage)) = open(&disk) else {
                    panic!("{what}: it opens");
                };
                assert_eq!(damage.kind, DamageKind::Inserted(len), "{what}: {damage}");
                assert_eq!(
                    (damage.offset.get(), damage.seq),
                    (at as u64, next),
                    "{what}"
                );
                assert!(damage.items.is_empty(), "{what}: {damage}");
                places += 1;
                in_groups += usize::from((4..=8).contains(&next.get()));
                if (places + at) % 5 > 0 {
                    continue;
                }
                let planned = mend(&disk, &issued, &what);
                assert_eq!(planned.lost, [], "{what}: {planned:?}");
                let did: Vec<_> = planned.steps.iter().map(|step| step.kind).collect();
                assert_eq!(did, [StepKind::Order], "{what}: {planned:?}");
                assert_eq!(disk.peek(&path).unwrap(), bytes, "{what}");
            }
        }
    }
    println!("{places} places with a line of somebody's, {in_groups} inside of a group");
    assert!(in_groups >= 15);
}

/// Each is told where it stands, and what is hurt besides is still a loss.
#[test]
fn several_of_them_are_told_one_by_one_and_hide_no_loss() {
    let base = small_store();
    let path = &segments(&base)[0];
    let bytes = base.peek(path).unwrap();
    let all = lines(&bytes);
    let strange = b"somebody was here\n";
    let mut hurt = Vec::new();
    // Twice in the group of the records 3..8, and before the record behind it.
    for (at, (_, line)) in all.iter().enumerate() {
        if [3, 5, 8].contains(&at) {
            hurt.extend_from_slice(strange);
        }
        hurt.extend_from_slice(line);
    }
    let disk = fresh(&base);
    disk.plant(path, &hurt).unwrap();
    let found = verified(&disk, &Extent::default());
    let seqs: Vec<u64> = found
        .findings
        .iter()
        .filter_map(|it| it.seq)
        .map(phaselog::position::Seq::get)
        .collect();
    assert_eq!(seqs, [4, 6, 9], "{:#?}", found.findings);
    assert_eq!(mend(&disk, &issued(&base), "three").lost, []);

    // A record of the group is hurt behind the line that somebody put into it: the group is lost, and no more.
    let at = all[6].0 + 2 * strange.len();
    hurt[at + 9..at + 17].fill(b'?');
    let disk = fresh(&base);
    disk.plant(path, &hurt).unwrap();
    let found = verified(&disk, &Extent::default());
    assert_eq!(found.findings[0].code, "V-FORM");
    assert!(
        found.findings[0]
            .message
            .starts_with("records 3..8: it is no record"),
        "{:#?}",
        found.findings
    );
    let planned = mend(&disk, &issued(&base), "a hurt group");
    assert_eq!(
        (planned.lost[0].from.get(), planned.lost[0].to.get()),
        (3, 8),
        "{planned:#?}"
    );
}
