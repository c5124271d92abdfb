//! Repair: every kind of damage has a plan, nothing is given up unasked, and afterwards the store works.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, and the lint does not know"
)]

mod any;
mod words;
mod cut_short;
mod gone;
mod groups;
mod hints;
mod inserted;
mod joined;
mod log_id;
mod snapshots;
mod order;
mod out_of_place;
mod strays;
mod swapped;
mod twice;

use std::collections::BTreeSet;
use std::path::Path;

use phaselog::log::frame;
use phaselog::position::Seq;
use phaselog::store::repair::{
    self, Occasion, RESTORED_JUMP, RepairPlan, Repaired, SeqRange, StepKind,
};
use phaselog::store::verify::{Extent, Verdict};
use phaselog::testing::SimDisk;

use crate::damage::{DIR, fresh, open, options, segments, small_store, start, store, verified};

fn plan(disk: &SimDisk) -> RepairPlan {
    plan_for(disk, Occasion::Hurt)
}

fn plan_for(disk: &SimDisk, occasion: Occasion) -> RepairPlan {
    let before = disk.digest();
    let ports = disk.ports_for("planner");
    let plan = repair::plan(&ports, Path::new(DIR), &options(), occasion).unwrap();
    assert_eq!(disk.digest(), before, "a plan writes nothing");
    plan
}

fn apply(disk: &SimDisk, occasion: Occasion, accepted: &[SeqRange]) -> Repaired {
    let ports = disk.ports_for("mender");
    repair::apply(&ports, Path::new(DIR), &options(), occasion, accepted).unwrap()
}

/// Every seq that any line of any file of the log has, verified or not: none of them may come again.
fn issued(disk: &SimDisk) -> BTreeSet<u64> {
    let mut seqs = BTreeSet::new();
    for path in segments(disk) {
        let bytes = disk.peek(path).unwrap();
        let lines = bytes.split(|&byte| byte == b'\n');
        seqs.extend(lines.filter_map(|line| Some(frame::parse(line).ok()?.seq.get())));
    }
    seqs
}

/// Everything that must hold after a repair.
fn check_mended(disk: &SimDisk, issued: &BTreeSet<u64>, lossless: bool, what: &str) {
    let found = verified(
        disk,
        &Extent {
            deep: true,
            head: None,
        },
    );
    let worst = if lossless {
        Verdict::Clean
    } else {
        Verdict::Warnings
    };
    assert!(found.verdict <= worst, "{what}: {:?}", found.findings);
    assert_eq!(plan(disk), RepairPlan::nothing(), "{what}");
    assert_eq!(
        apply(disk, Occasion::Hurt, &[]),
        Repaired::Nothing,
        "{what}"
    );
    // It opens, works, and what was ever issued is not issued again.
    open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut writer = store(&disk.ports_for("writer"));
    let added = phaselog::pipeline::NewItem {
        name: phaselog::pipeline::ItemId::new(&format!("new after {:?}", issued.last())).unwrap(),
        id: None,
    };
    let added = phaselog::pipeline::Command::Add { items: vec![added] };
    let receipt = writer
        .submit(&added)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let seq = receipt.seq().unwrap().get();
    assert!(!issued.contains(&seq), "{what}: {seq} again");
    assert!(issued.iter().all(|&old| old < seq), "{what}: {seq}");
    open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        verified(disk, &Extent::default()).verdict <= worst,
        "{what}"
    );
}

/// The note that a repair leaves.
fn note(disk: &SimDisk) -> String {
    let last = segments(disk).pop().unwrap();
    let text = String::from_utf8(disk.peek(last).unwrap()).unwrap();
    let noted = text
        .lines()
        .find(|line| line.contains("\"event\":\"noted\""));
    noted
        .unwrap_or_else(|| panic!("no note in {text}"))
        .to_owned()
}

/// Plans, is refused without the range and with another, and repairs with it.
fn mend(disk: &SimDisk, issued: &BTreeSet<u64>, what: &str) -> RepairPlan {
    assert!(open(disk).is_err(), "{what}: nothing to repair");
    let planned = plan(disk);
    assert!(planned.next.is_some(), "{what}");
    let before = disk.digest();
    let locks = |accepted: &[SeqRange]| {
        let refused = apply(disk, Occasion::Hurt, accepted);
        assert!(
            matches!(refused, Repaired::NotAccepted(_)),
            "{what}: {refused:?}"
        );
        assert_eq!(disk.digest(), before, "{what}: refused, and written");
    };
    if let Some(last) = planned.lost.last() {
        locks(&[]);
        let mut other = planned.lost.clone();
        other.pop();
        other.push(SeqRange {
            from: last.from,
            to: last.to.next(),
        });
        locks(&other);
    } else {
        locks(&[SeqRange {
            from: Seq::FIRST,
            to: Seq::FIRST,
        }]);
    }
    let done = apply(disk, Occasion::Hurt, &planned.lost);
    let Repaired::Done {
        plan: did, kept, ..
    } = done
    else {
        panic!("{what}: {done:?}");
    };
    assert_eq!(did, planned, "{what}");
    for path in kept {
        assert!(
            disk.peek(Path::new(DIR).join(&path)).is_some(),
            "{}",
            path.display()
        );
    }
    let given_up = planned
        .steps
        .iter()
        .any(|step| step.kind == StepKind::GiveUp);
    check_mended(disk, issued, !given_up, what);
    planned
}

/// The lines of a file, each with where it begins.
fn lines(bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut at = 0;
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        lines.push((at, line));
        at += line.len();
    }
    lines
}

#[test]
fn each_record_in_turn_is_given_up() {
    let base = small_store();
    let issued = issued(&base);
    let (mut records, mut given_up) = (0, 0);
    for path in segments(&base) {
        let bytes = base.peek(&path).unwrap();
        for (at, line) in lines(&bytes) {
            let seq = frame::parse(&line[..line.len() - 1]).unwrap().seq;
            let disk = fresh(&base);
            let mut hurt = bytes.clone();
            // Beyond what a single bit explains.
            for place in [4, 12, 15] {
                hurt[at + place] = b'!';
            }
            disk.plant(&path, &hurt).unwrap();
            let what = format!("record {seq}");
            let planned = mend(&disk, &issued, &what);
            assert_eq!(planned.lost.len(), 1, "{what}: {planned:?}");
            let lost = planned.lost[0];
            assert!(lost.from <= seq && seq <= lost.to, "{what}: {lost}");
            // The items of the group that `init` made come and go together; the line behind the last of them stays, for
            // what is left of that says that it was the last.
            let group = if (3..=8).contains(&seq.get()) { 6 } else { 1 };
            assert_eq!(lost.to.get() - lost.from.get() + 1, group, "{what}: {lost}");
            assert_eq!(
                disk.peek(&path).unwrap(),
                hurt,
                "{what}: the hurt bytes stay"
            );
            let noted = note(&disk);
            assert!(noted.contains(&lost.to_string()), "{noted}");
            let text = String::from_utf8_lossy(line);
            if let Some(item) = text
                .split("\"item\":\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next())
            {
                assert!(
                    planned.items.iter().any(|touched| touched.item == item),
                    "{what}: {planned:?}"
                );
                assert!(noted.contains(item), "history of {item} must tell: {noted}");
            }
            (records, given_up) = (records + 1, given_up + group);
        }
    }
    println!("{records} records hurt in turn, {given_up} given up, each only when typed");
    assert!(records >= 28);
}

#[test]
fn each_single_bit_is_corrected_where_a_successor_attests_it() {
    let base = small_store();
    let issued = issued(&base);
    let paths = segments(&base);
    let last = paths.last().unwrap();
    let (mut corrected, mut given_up) = (0, 0);
    for path in &paths {
        let bytes = base.peek(path).unwrap();
        let last_line = lines(&bytes).pop().unwrap().0;
        for at in 0..bytes.len() {
            let bit = at % 8;
            let disk = fresh(&base);
            let mut hurt = bytes.clone();
            hurt[at] ^= 1 << bit;
            disk.plant(path, &hurt).unwrap();
            let what = format!("{path} byte {at} bit {bit}");
            let planned = plan(&disk);
            // The last newline says nothing that the record before it does not attest itself.
            if path == last && at >= last_line && at + 1 < bytes.len() {
                assert!(
                    !planned.lost.is_empty(),
                    "{what}: nothing attests the last record"
                );
                given_up += 1;
                continue;
            }
            assert_eq!(planned.lost, [], "{what}: {planned:?}");
            assert_eq!(planned.steps.len(), 1, "{what}: {planned:?}");
            assert_eq!(
                (planned.steps[0].kind, planned.steps[0].byte),
                (StepKind::Correct, at as u64)
            );
            corrected += 1;
            if at % 37 == 0 {
                mend(&disk, &issued, &what);
                assert_eq!(disk.peek(path).unwrap(), bytes, "{what}");
                let kept = disk
                    .files()
                    .into_iter()
                    .any(|(_, kept)| kept.as_ref() == Some(&hurt));
                assert!(kept, "{what}: the original is gone");
            }
        }
    }
    println!("{corrected} single bits corrected, {given_up} in the last record left to a person");
    assert!(corrected > 4_000);
}

#[test]
fn several_hurts_at_once_have_one_plan() {
    let base = small_store();
    let issued = issued(&base);
    let paths = segments(&base);
    let disk = fresh(&base);
    for path in &paths {
        let mut bytes = base.peek(path).unwrap();
        let places: Vec<usize> = lines(&bytes).iter().map(|(at, _)| *at).collect();
        // The header, and the record before the last.
        for place in [places[0], places[places.len() - 2]] {
            bytes[place + 9..place + 17].fill(b'?');
        }
        // And one bit that can be put right, in the first segment.
        if path == &paths[0] {
            bytes[places[9] + 40] ^= 2;
        }
        disk.plant(path, &bytes).unwrap();
    }
    let planned = mend(&disk, &issued, "headers and records");
    assert_eq!(
        planned
            .steps
            .iter()
            .filter(|step| step.kind == StepKind::Correct)
            .count(),
        1
    );
    assert!(planned.lost.len() >= 4, "{:?}", planned.lost);
    // Hurt again, elsewhere: what was given up before stays so, and a second repair adds to it.
    let path = &segments(&disk)[1];
    let mut bytes = disk.peek(path).unwrap();
    let place = lines(&bytes)[4].0;
    bytes[place + 9..place + 17].fill(b'?');
    let again = self::issued(&disk);
    disk.plant(path, &bytes).unwrap();
    let second = mend(&disk, &again, "hurt again");
    assert_eq!(second.lost.len(), 1);
}

#[test]
fn a_mark_beyond_the_end_is_a_loss() {
    let disk = small_store();
    let last = *issued(&disk).last().unwrap();
    let covered = format!("phaselog-mark 1 {}", last + 7);
    let crc = frame::Crc::of(covered.as_bytes());
    let mut mark = format!("{covered} {crc}").into_bytes();
    mark.resize(63, b' ');
    mark.push(b'\n');
    disk.plant("data/wal/mark", &mark).unwrap();
    let planned = mend(&disk, &(1..=last + 7).collect(), "mark");
    let expected = SeqRange {
        from: Seq::new(last + 1),
        to: Seq::new(last + 7),
    };
    assert_eq!(planned.lost, [expected]);
}

#[test]
fn a_torn_tail_is_sealed_without_a_loss() {
    let disk = small_store();
    let issued = issued(&disk);
    let path = segments(&disk).pop().unwrap();
    let mut torn = disk.peek(&path).unwrap();
    torn.extend_from_slice(b"0123abcd 0123");
    disk.plant(&path, &torn).unwrap();
    let planned = plan(&disk);
    assert_eq!(
        (planned.steps[0].kind, &*planned.lost),
        (StepKind::Seal, &[][..])
    );
    assert!(matches!(
        apply(&disk, Occasion::Hurt, &[]),
        Repaired::Done { .. }
    ));
    check_mended(&disk, &issued, true, "torn");
    assert_eq!(disk.peek(&path).unwrap(), torn);
}

#[test]
fn an_ambiguous_tail_is_a_persons_decision() {
    let disk = small_store();
    let issued = issued(&disk);
    disk.uproot("data/wal/mark").unwrap();
    let path = segments(&disk).pop().unwrap();
    let mut hurt = disk.peek(&path).unwrap();
    let at = hurt.len() - 10;
    hurt[at] ^= 1;
    disk.plant(&path, &hurt).unwrap();
    assert_eq!(
        verified(&disk, &Extent::default()).verdict,
        Verdict::Ambiguous
    );
    let planned = mend(&disk, &issued, "ambiguous");
    let last = Seq::new(*issued.last().unwrap());
    assert_eq!(
        planned.lost,
        [SeqRange {
            from: last,
            to: last
        }]
    );
    assert!(
        planned.steps[0].message.contains("nothing tells"),
        "{:?}",
        planned.steps
    );
}

#[test]
fn a_restored_directory_issues_no_token_again() {
    let disk = small_store();
    let last = *issued(&disk).last().unwrap();
    let backup = fresh(&disk);
    let later = start(&mut store(&disk.ports_for("writer")), 2, "p0").get();
    assert_eq!(
        plan(&backup),
        RepairPlan::nothing(),
        "nothing can detect it"
    );
    let planned = plan_for(&backup, Occasion::Restored);
    assert_eq!(planned.lost, []);
    assert!(matches!(
        apply(&backup, Occasion::Restored, &[]),
        Repaired::Done { .. }
    ));
    let token = start(&mut store(&backup.ports_for("writer")), 2, "p0").get();
    assert!(token > last + RESTORED_JUMP && token > later, "{token}");
    assert!(verified(&backup, &Extent::default()).verdict <= Verdict::Warnings);
    assert!(note(&backup).contains("restored"));
}

#[test]
fn records_of_no_event_are_given_up_with_their_group() {
    let base = small_store();
    let issued = issued(&base);
    let path = segments(&base).pop().unwrap();
    let bytes = base.peek(&path).unwrap();
    let mut rewritten = Vec::new();
    let mut previous = None;
    let last = lines(&bytes).len() - 1;
    for (index, (_, line)) in lines(&bytes).into_iter().enumerate() {
        let frame = frame::parse(&line[..line.len() - 1]).unwrap();
        let payload = if index == last {
            frame.payload.replace("\"at\"", "\"ta\"")
        } else {
            frame.payload.to_owned()
        };
        let before = previous.unwrap_or(frame.previous);
        previous = Some(frame::encode(
            &mut rewritten,
            before,
            frame.seq,
            frame.durable,
            &payload,
        ));
    }
    let disk = fresh(&base);
    disk.plant(&path, &rewritten).unwrap();
    let planned = mend(&disk, &issued, "no event");
    assert_eq!(planned.lost.len(), 1);
}
