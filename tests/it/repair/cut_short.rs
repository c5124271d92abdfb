//! Repairs that are cut short: killed at any call, then without power. The next repair does what is left.

use std::path::Path;

use phaselog::store::repair::{self, Occasion, Repaired};
use phaselog::testing::SimDisk;

use super::snapshots::{compacted, rewrite_root};
use super::{apply, check_mended, issued, lines, plan};
use crate::damage::{DIR, fresh, open, options, segments, small_store};

/// Kills the repair of this disk at each of its calls; whatever is then left, or survives a power cut, is repaired.
fn cut_short(hurt: &SimDisk, base: &SimDisk, name: &str) {
    let issued = issued(base);
    let lost = plan(hurt).lost;
    let whole = hurt.fork();
    let done = apply(&whole, Occasion::Hurt, &lost);
    assert!(matches!(done, Repaired::Done { .. }), "{name}: {done:?}");
    assert!(whole.peek("data/wal/poisoned").is_none(), "{name}");
    let expected = open(&whole).unwrap();
    let calls = whole.calls("mender");
    let mut states = 0;
    for call in 1..=calls {
        let killed = hurt.fork();
        killed.kill_at("mender", call);
        let ports = killed.ports_for("mender");
        let _ = repair::apply(&ports, Path::new(DIR), &options(), Occasion::Hurt, &lost);
        for disk in std::iter::once(killed.fork()).chain(killed.crash_states(40)) {
            states += 1;
            let what = format!("{name}: killed at call {call} of {calls}");
            let planned = plan(&disk);
            assert!(
                planned.lost.is_empty() || planned.lost == lost,
                "{what}: more would be lost: {planned:?}"
            );
            if planned.next.is_some() {
                let done = apply(&disk, Occasion::Hurt, &planned.lost);
                assert!(matches!(done, Repaired::Done { .. }), "{what}: {done:?}");
            }
            let state = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(state.items(), expected.items(), "{what}");
            check_mended(&disk, &issued, false, &what);
        }
    }
    println!("{name}: killed at each of {calls} calls, {states} states, all repaired by the next");
}

/// A bit that can be corrected, and a record that cannot.
fn hurt_records(base: &SimDisk) -> SimDisk {
    let paths = segments(base);
    let hurt = fresh(base);
    let mut first = base.peek(&paths[0]).unwrap();
    let place = lines(&first)[9].0;
    first[place + 40] ^= 2;
    hurt.plant(&paths[0], &first).unwrap();
    let mut last = base.peek(&paths[2]).unwrap();
    let place = lines(&last)[1].0;
    last[place + 9..place + 17].fill(b'?');
    hurt.plant(&paths[2], &last).unwrap();
    hurt
}

#[test]
fn with_a_bit_to_correct_and_a_record_to_give_up() {
    let base = small_store();
    let hurt = hurt_records(&base);
    assert_eq!(plan(&hurt).lost.len(), 1);
    cut_short(&hurt, &base, "records");
}

#[test]
fn with_a_failed_sync_that_nobody_has_cleared() {
    let base = small_store();
    let hurt = hurt_records(&base);
    hurt.plant("data/wal/poisoned", b"").unwrap();
    cut_short(&hurt, &base, "poisoned");
}

#[test]
fn with_segments_to_put_back() {
    let base = small_store();
    let paths = segments(&base);
    for (a, b) in [(0, 1), (1, 2)] {
        let hurt = fresh(&base);
        hurt.plant(&paths[a], &base.peek(&paths[b]).unwrap())
            .unwrap();
        hurt.plant(&paths[b], &base.peek(&paths[a]).unwrap())
            .unwrap();
        assert_eq!(plan(&hurt).lost, []);
        cut_short(&hurt, &base, "swapped");
    }
}

#[test]
fn with_a_tail_to_seal_and_a_snapshot_to_set_aside() {
    let base = compacted();
    let hurt = fresh(&base);
    let last = segments(&base).pop().unwrap();
    let torn = [&*base.peek(&last).unwrap(), b"0123"].concat();
    hurt.plant(&last, &torn).unwrap();
    rewrite_root(&hurt, "\"crc32\": \"", "\"crc32\": \"0");
    cut_short(&hurt, &base, "torn");
    let hurt = fresh(&base);
    let text = String::from_utf8(hurt.peek("data/work_items.json").unwrap()).unwrap();
    let id = text[text.rfind("\"log\":").unwrap()..]
        .split("\"id\": \"")
        .nth(1)
        .unwrap()[..32]
        .to_owned();
    rewrite_root(&hurt, &id, "0123456789abcdef0123456789abcdef");
    cut_short(&hurt, &base, "another history");
}

#[test]
fn with_lines_to_put_in_order_and_a_file_that_is_no_segment() {
    let base = small_store();
    let hurt = fresh(&base);
    for (path, at) in segments(&base).iter().zip([2, 4, 1]) {
        let bytes = base.peek(path).unwrap();
        let (place, line) = lines(&bytes)[at];
        let behind = place + line.len();
        let next = lines(&bytes)[at + 1].1;
        // Its successor before it, and it once more.
        let swapped = [
            &bytes[..place],
            next,
            line,
            line,
            &bytes[behind + next.len()..],
        ];
        hurt.plant(path, &swapped.concat()).unwrap();
    }
    hurt.plant("data/wal/00000000000000000005.wal", b"")
        .unwrap();
    assert_eq!(plan(&hurt).lost, []);
    cut_short(&hurt, &base, "in order");
}

#[test]
fn with_a_gap_before_an_empty_segment() {
    let base = small_store();
    let paths = segments(&base);
    let hurt = fresh(&base);
    let before = base.peek(&paths[1]).unwrap();
    let cut = lines(&before).pop().unwrap().0;
    hurt.plant(&paths[1], &before[..cut]).unwrap();
    hurt.plant(&paths[2], b"").unwrap();
    assert_eq!(plan(&hurt).lost.len(), 1);
    cut_short(&hurt, &base, "a gap");
}
