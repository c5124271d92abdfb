//! Lines that are there twice, or in another order: the chain of their checksums puts them right, and nothing is lost.

use phaselog::store::repair::{Occasion, Repaired, StepKind};
use phaselog::store::verify::{Extent, Verdict};
use phaselog::testing::SimDisk;

use super::{apply, check_mended, issued, lines, mend, plan};
use crate::damage::{fresh, open, segments, small_store, verified};

/// The file with these of its lines.
fn of_lines(bytes: &[u8], order: &[usize]) -> Vec<u8> {
    let lines = lines(bytes);
    order.iter().flat_map(|&at| lines[at].1.to_vec()).collect()
}

/// Repairs without a loss, and finds every segment as it was.
fn mend_wholly(base: &SimDisk, path: &str, hurt: &[u8], what: &str) {
    let disk = fresh(base);
    disk.plant(path, hurt).unwrap();
    let found = verified(&disk, &Extent::default());
    let told: Vec<_> = found.findings.iter().map(|it| it.code).collect();
    // At the very end nothing attests what stood there.
    let one = told == ["V-SEQUENCE"] || told == ["V-AMBIGUOUS"];
    assert!(one, "{what}: {:?}", found.findings);
    let before = verified(base, &Extent::default());
    assert_eq!(
        found.records, before.records,
        "{what}: {:?}",
        found.findings
    );
    assert_eq!(found.last_seq, before.last_seq, "{what}");
    let planned = mend(&disk, &issued(base), what);
    assert_eq!(planned.lost, [], "{what}: {planned:?}");
    let did: Vec<_> = planned.steps.iter().map(|step| step.kind).collect();
    assert_eq!(did, [StepKind::Order], "{what}");
    for path in segments(base) {
        assert_eq!(disk.peek(&path), base.peek(&path), "{what}: {path}");
    }
    let (mended, whole) = (open(&disk).unwrap(), open(base).unwrap());
    assert!(mended.items().take(6).eq(whole.items()), "{what}");
}

#[test]
fn a_line_that_is_there_twice_is_no_loss() {
    let base = small_store();
    let paths = segments(&base);
    let mut copies = 0;
    for path in &paths {
        let bytes = base.peek(path).unwrap();
        let count = lines(&bytes).len();
        for copied in 0..count {
            for to in 0..=count {
                let mut order: Vec<usize> = (0..count).collect();
                order.insert(to, copied);
                let hurt = of_lines(&bytes, &order);
                let sealed = path != paths.last().unwrap();
                // Behind the end of a sealed segment nobody reads; everywhere else it stops the reader.
                if sealed && hurt.starts_with(&bytes) {
                    continue;
                }
                // A check of everything takes long: each line behind itself, and every fifth elsewhere.
                if to == copied + 1 || (copied + to) % 5 == 0 {
                    mend_wholly(
                        &base,
                        path,
                        &hurt,
                        &format!("{path}: line {copied} before {to}"),
                    );
                    copies += 1;
                }
            }
        }
    }
    println!("{copies} copies of lines, each left out without a loss");
    assert!(copies > 50);
}

#[test]
fn lines_in_another_order_are_no_loss() {
    let base = small_store();
    let mut orders = 0;
    for path in segments(&base) {
        let bytes = base.peek(&path).unwrap();
        let count = lines(&bytes).len();
        let straight = || (0..count).collect::<Vec<usize>>();
        for at in 0..count - 1 {
            let mut swapped = straight();
            swapped.swap(at, at + 1);
            let what = format!("{path}: {at} and the next swapped");
            mend_wholly(&base, &path, &of_lines(&bytes, &swapped), &what);
            orders += 1;
        }
        for at in 0..count.saturating_sub(4) {
            for (turned, what) in [
                ([4, 3, 2, 1, 0].as_slice(), "turned round"),
                (&[3, 0, 1, 2], "the last first"),
                (&[1, 2, 3, 4, 0], "the first last"),
                (&[2, 3, 2, 0, 1, 1, 4], "moved and copied"),
            ] {
                let mut order = straight();
                let turned = turned.iter().map(|step| at + step);
                order.splice(at..=at + turned.clone().max().unwrap() - at, turned);
                let what = format!("{path}: from {at} {what}");
                mend_wholly(&base, &path, &of_lines(&bytes, &order), &what);
                orders += 1;
            }
        }
    }
    println!("{orders} orders of lines, each put right without a loss");
    assert!(orders > 100);
}

#[test]
fn what_is_said_of_it_claims_no_loss() {
    let base = small_store();
    let path = segments(&base).pop().unwrap();
    let bytes = base.peek(&path).unwrap();
    let last = *issued(&base).last().unwrap();
    let count = lines(&bytes).len();
    let said = |order: &[usize]| {
        let disk = fresh(&base);
        disk.plant(&path, &of_lines(&bytes, order)).unwrap();
        let found = verified(&disk, &Extent::default());
        let finding = found.findings[0].clone();
        (
            open(&disk).unwrap_err().to_string(),
            finding.message,
            (found.verdict, finding.seq.unwrap().get()),
        )
    };
    let mut order: Vec<usize> = (0..count).collect();
    order.swap(count - 2, count - 1);
    let (read, verified, place) = said(&order);
    let words = format!(
        "records {}..{last} are all there, in the wrong order",
        last - 1
    );
    assert!(read.contains(&words), "{read}");
    // The record behind them never was, and nobody names it.
    assert!(!read.contains(&(last + 1).to_string()), "{read}");
    assert_eq!(verified, format!("{words}; no record is missing for that"));
    assert_eq!(place, (Verdict::Damaged, last - 1));

    let mut order: Vec<usize> = (0..count).collect();
    order.insert(count - 2, count - 3);
    let words = format!("the line of record {} is there twice", last - 2);
    let (read, verified, place) = said(&order);
    assert!(read.contains(&words), "{read}");
    assert_eq!(verified, format!("{words}; no record is missing for that"));
    assert_eq!(place, (Verdict::Damaged, last - 2));

    // At the very end nothing attests what stood there.
    let mut order: Vec<usize> = (0..count).collect();
    order.push(count - 1);
    let words = format!(
        "the line of record {last} is there twice, and nothing tells whether another record stood there"
    );
    let (read, verified, place) = said(&order);
    assert!(read.contains(&words), "{read}");
    assert_eq!((verified, place), (words, (Verdict::Ambiguous, last)));
}

#[test]
fn with_other_damage_beside_it_only_that_is_given_up() {
    let base = small_store();
    let issued = issued(&base);
    let paths = segments(&base);
    let path = &paths[1];
    let bytes = base.peek(path).unwrap();
    let count = lines(&bytes).len();
    assert!(count >= 9, "{count}");
    // Line 3 twice, line 5 hurt beyond correction, the last two swapped.
    let mut order: Vec<usize> = (0..count).collect();
    order.swap(count - 2, count - 1);
    order.insert(4, 3);
    let mut hurt = of_lines(&bytes, &order);
    let place = lines(&hurt)[6].0;
    hurt[place + 9..place + 17].fill(b'?');
    let disk = fresh(&base);
    disk.plant(path, &hurt).unwrap();
    let planned = mend(&disk, &issued, "several");
    assert_eq!(planned.lost.len(), 1, "{planned:?}");
    assert_eq!(planned.lost[0].from, planned.lost[0].to, "{planned:?}");
    let did: Vec<_> = planned.steps.iter().map(|step| step.kind).collect();
    assert_eq!(did, [StepKind::Order, StepKind::Order, StepKind::GiveUp]);
    assert!(planned.steps[0].byte < planned.steps[1].byte, "{planned:?}");
}

#[test]
fn two_versions_of_a_record_are_a_persons_decision() {
    // Two writers' histories: both lines verify, and both name the record before them.
    let base = small_store();
    let path = segments(&base).pop().unwrap();
    let bytes = base.peek(&path).unwrap();
    let at = lines(&bytes).len() - 2;
    let frame = |line: &[u8]| {
        let frame = phaselog::log::frame::parse(&line[..line.len() - 1]).unwrap();
        (
            frame.previous,
            frame.seq,
            frame.durable,
            frame.payload.to_owned(),
        )
    };
    let (previous, seq, durable, payload) = frame(lines(&bytes)[at].1);
    let mut other = Vec::new();
    let payload = payload.replacen('{', "{\"version\":2,", 1);
    phaselog::log::frame::encode(&mut other, previous, seq, durable, &payload);
    // The place of the one is taken by its successor: which of the two was before that, the chain tells.
    let (from, line) = lines(&bytes)[at];
    let last = lines(&bytes)[at + 1].1;
    let hurt = [&bytes[..from], last, &other, line].concat();
    let disk = fresh(&base);
    disk.plant(&path, &hurt).unwrap();
    let planned = mend(&disk, &issued(&base), "two versions");
    assert!(!planned.lost.is_empty(), "{planned:?}");
}

/// Two lines of other lengths that have changed places in front of and behind a record that was given up, and the segment behind
/// them gone: what is left of it is put together. Once all between the two was given up, and `repair` claimed that again and again.
#[test]
fn lines_swapped_around_a_lost_record_cost_nothing() {
    let base = small_store();
    let paths = segments(&base);
    let mut bytes = base.peek(&paths[1]).unwrap();
    let at = lines(&bytes)[3].0;
    bytes[at + 4..at + 16].fill(b'!');
    base.plant(&paths[1], &bytes).unwrap();
    mend(&base, &issued(&base), "a record");
    for gone in [false, true] {
        let disk = fresh(&base);
        let all = lines(&bytes);
        let last = all.len() - 1;
        assert_ne!(all[1].1.len(), all[last].1.len());
        let mut swapped: Vec<&[u8]> = all.iter().map(|(_, line)| *line).collect();
        swapped.swap(1, last);
        disk.plant(&paths[1], &swapped.concat()).unwrap();
        let known = issued(&base);
        if gone {
            disk.uproot(&paths[2]).unwrap();
        }
        let planned = plan(&disk);
        let done = apply(&disk, Occasion::Hurt, &planned.lost);
        assert!(matches!(done, Repaired::Done { .. }), "{done:?}");
        // What was given up before is told still.
        check_mended(&disk, &known, false, "swapped");
        let given_up: u64 = planned
            .lost
            .iter()
            .map(|it| it.to.get() - it.from.get() + 1)
            .sum();
        let behind = lines(&base.peek(&paths[2]).unwrap()).len() as u64;
        assert_eq!(given_up, if gone { behind } else { 0 }, "{planned:#?}");
        assert_eq!(disk.peek(&paths[1]).unwrap(), bytes);
    }
}
