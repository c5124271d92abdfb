//! The log as a whole, on a real disk: what was acknowledged is read back or its loss is told.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::error::{DamageKind, Error, Result, Witness};
use crate::pipeline::Timestamp;
use crate::ports::Ports;
use crate::position::{SegmentId, Seq};

const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 1 << 20,
    lock_wait: Duration::from_millis(50),
};

fn at() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-23T01:40:15.123456Z").unwrap()
}

fn event(n: u64) -> String {
    format!(r#"{{"event":"added","item":"{n} Example St"}}"#)
}

fn store(groups: &[Vec<String>]) -> (TempDir, Writer) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data");
    let groups = groups.iter().cloned().map(Group::from).collect();
    let writer = create(Ports::real(), &path, groups, at(), LogId::new(7), OPTIONS).unwrap();
    (dir, writer)
}

fn log(dir: &TempDir) -> Log {
    Log::new(Ports::real(), &dir.path().join("data")).with_lock_wait(Duration::from_millis(50))
}

fn wal(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("data/wal")
}

fn append(writer: &mut Writer, payloads: &[String]) -> Appended {
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked.seal_torn(at()).unwrap();
    let appended = locked.append(payloads).unwrap();
    drop(locked);
    writer.sync_and_prove().unwrap();
    appended
}

/// Everything read, and the end.
fn read_all(log: &Log, mark: Seq, locked: bool) -> (Vec<(Seq, String)>, Result<LogEnd>) {
    let mut seen = Vec::new();
    let witnesses = Witnesses {
        mark,
        snapshot: Seq::NONE,
    };
    let end = log.read(
        From::FirstRecord,
        witnesses,
        Access::ReadOnly,
        locked,
        &mut |entry| {
            seen.push((entry.frame.seq, entry.frame.payload.to_owned()));
            Ok(())
        },
    );
    (seen, end)
}

fn seqs(seen: &[(Seq, String)]) -> Vec<u64> {
    seen.iter().map(|(seq, _)| seq.get()).collect()
}

/// Two segments: header, a record, a group, and in the second a header and two records.
fn two_segments() -> (TempDir, Writer) {
    let (dir, mut writer) = store(&[vec![event(1)]]);
    append(&mut writer, &[event(2), event(3)]);
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked.rotate(at()).unwrap();
    drop(locked);
    append(&mut writer, &[event(4)]);
    append(&mut writer, &[event(5)]);
    (dir, writer)
}

mod damage;
mod faults;
mod glance;

#[test]
fn what_is_appended_is_read_back() {
    let (dir, writer) = two_segments();
    let (seen, end) = read_all(&log(&dir), Seq::NONE, false);
    let end = end.unwrap();
    assert_eq!(seqs(&seen), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(end.tail, Tail::Clean);
    assert_eq!(end.position.segment, SegmentId::starting_at(Seq::new(5)));
    assert_eq!(
        (end.position.next, end.position.offset),
        (writer.position().next, writer.position().offset)
    );
    assert_eq!(end.position.previous, writer.position().previous);
    assert_eq!(end.position.durable_seen, Seq::new(6));
    assert!(end.position.name_proven);
    assert_eq!(log(&dir).mark(), Seq::new(7));
    let first = fs::read(wal(&dir).join(SegmentId::FIRST.file_name())).unwrap();
    assert_eq!(end.position.sha256, Some(Sha256Hex::of(&first)));
}

#[test]
fn reading_goes_on_from_a_position() {
    let (dir, mut writer) = two_segments();
    let (_, end) = read_all(&log(&dir), Seq::NONE, false);
    let position = end.unwrap().position;
    append(&mut writer, &[event(6)]);
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked.rotate(at()).unwrap();
    drop(locked);
    append(&mut writer, &[event(7)]);
    let mut seen = Vec::new();
    let from = From::Position(position);
    let end = log(&dir).read(
        from,
        Witnesses::default(),
        Access::ReadOnly,
        false,
        &mut |entry| {
            seen.push(entry.frame.seq.get());
            Ok(())
        },
    );
    assert_eq!(end.unwrap().position.next, Seq::new(11));
    assert_eq!(seen, [8, 9, 10]);
}

#[test]
fn snapshot_of_another_history_is_refused() {
    let (dir, _writer) = two_segments();
    let first = fs::read(wal(&dir).join(SegmentId::FIRST.file_name())).unwrap();
    let last = first[..first.len() - 1]
        .rsplit(|&b| b == b'\n')
        .next()
        .unwrap();
    let crc = frame::parse(last).unwrap().crc;
    let read = |seq, crc, id| {
        let from = From::AfterSnapshot {
            seq: Seq::new(seq),
            crc,
            log: LogId::new(id),
        };
        let witnesses = Witnesses {
            snapshot: Seq::new(seq),
            mark: Seq::NONE,
        };
        log(&dir).read(from, witnesses, Access::ReadOnly, false, &mut |_| Ok(()))
    };
    assert_eq!(read(4, crc, 7).unwrap().position.next, Seq::new(8));
    assert!(matches!(read(4, crc, 8), Err(Error::OtherLog { .. })));
    assert!(matches!(read(4, Crc::NONE, 7), Err(Error::OtherLog { .. })));
    let Err(Error::Damaged(damage)) = read(9, crc, 7) else {
        panic!("segment 10 is missing")
    };
    assert_eq!(damage.kind, DamageKind::MissingSegment);
}

#[test]
fn torn_tail_is_sealed_and_the_log_goes_on() {
    let (dir, mut writer) = two_segments();
    let path = wal(&dir).join(SegmentId::starting_at(Seq::new(5)).file_name());
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn.extend_from_slice(b"0123abcd 0123");
    fs::write(&path, &torn).unwrap();
    // Without the lock somebody may be writing just now; under it nobody can be.
    let (seen, end) = read_all(&log(&dir), Seq::NONE, false);
    let tail = end.unwrap().tail;
    assert!(matches!(tail, Tail::Torn { bytes: 13, .. }), "{tail:?}");
    assert_eq!(seen.len(), 7);
    let mut locked = writer.lock().unwrap();
    assert!(matches!(
        locked.catch_up(&mut |_| Ok(())).unwrap(),
        Tail::Torn { .. }
    ));
    assert!(matches!(
        locked.append(&[event(6)]),
        Err(Error::NotRecorded { .. })
    ));
    let sealed = locked.seal_torn(at()).unwrap().unwrap();
    assert_eq!((sealed.bytes, sealed.next.first_seq()), (13, Seq::new(8)));
    locked.append(&[event(6)]).unwrap();
    drop(locked);
    writer.sync_and_prove().unwrap();
    assert_eq!(fs::read(&path).unwrap(), torn);
    let (seen, end) = read_all(&log(&dir), Seq::new(9), false);
    assert_eq!(seqs(&seen), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(end.unwrap().tail, Tail::Clean);
}

#[test]
fn lock_that_is_held_makes_a_tail_in_flight_and_a_writer_wait() {
    let (dir, mut writer) = two_segments();
    let path = wal(&dir).join(SegmentId::starting_at(Seq::new(5)).file_name());
    let mut torn = fs::read(&path).unwrap();
    torn.extend_from_slice(b"0123");
    fs::write(&path, &torn).unwrap();
    let (_, end) = read_all(&log(&dir), Seq::NONE, true);
    let mut other = Writer::new(log(&dir), end.unwrap(), Witnesses::default(), OPTIONS);
    let _locked = writer.lock().unwrap();
    let (_, end) = read_all(&log(&dir), Seq::NONE, false);
    assert_eq!(end.unwrap().tail, Tail::InFlight { bytes: 4 });
    assert!(matches!(other.lock(), Err(Error::LockTimeout { .. })));
    // Nothing bad is said without the lock either.
    let (_, end) = read_all(&log(&dir), Seq::new(8), false);
    assert!(matches!(end, Err(Error::LockTimeout { .. })));
}

/// Somebody took a writer for hung and removed the lock: the next one came in, and both wrote to one place. One record
/// was acknowledged and overwritten, and its token given out twice.
#[test]
fn who_lost_the_lock_writes_nothing() {
    let (dir, mut writer) = two_segments();
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    let before = locked.position().clone();
    let (lock, away) = (wal(&dir).join("lock"), dir.path().join("away"));
    fs::rename(&lock, &away).unwrap();
    let refused = locked.append(&[event(9)]).unwrap_err();
    assert!(matches!(refused, Error::NotRecorded { .. }), "{refused}");
    // It is put back, and somebody may have written meanwhile.
    fs::rename(&away, &lock).unwrap();
    let refused = locked.append(&[event(9)]).unwrap_err();
    assert!(matches!(refused, Error::NotRecorded { .. }), "{refused}");
    fs::remove_file(&lock).unwrap();
    fs::write(&lock, "").unwrap();
    let refused = locked.rotate(at()).unwrap_err();
    assert!(matches!(refused, Error::NotRecorded { .. }), "{refused}");
    assert_eq!(*locked.position(), before);
    drop(locked);
    let (seen, end) = read_all(&log(&dir), Seq::NONE, false);
    assert_eq!(
        (seqs(&seen).last().copied(), end.unwrap().tail),
        (Some(before.last_seq().get()), Tail::Clean)
    );
    // With the lock that is there now it goes on.
    append(&mut writer, &[event(9)]);
}

#[test]
fn two_writers_see_each_other() {
    let (dir, mut one) = two_segments();
    let end = log(&dir)
        .read(
            From::FirstRecord,
            Witnesses::default(),
            Access::ReadWrite,
            false,
            &mut |_| Ok(()),
        )
        .unwrap();
    let mut two = Writer::new(log(&dir), end, Witnesses::default(), OPTIONS);
    append(&mut one, &[event(6)]);
    let mut locked = one.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked.rotate(at()).unwrap();
    locked.append(&[event(7), event(8)]).unwrap();
    drop(locked);
    let mut seen = Vec::new();
    let mut locked = two.lock().unwrap();
    locked
        .catch_up(&mut |entry| {
            seen.push(entry.frame.seq.get());
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [8, 9, 10, 11]);
    assert_eq!(locked.append(&[event(9)]).unwrap().first, Seq::new(12));
    drop(locked);
    assert_eq!(two.sync_and_prove().unwrap(), Seq::new(12));
    let (seen, _) = read_all(&log(&dir), Seq::NONE, false);
    assert_eq!(seqs(&seen), (1..=12).collect::<Vec<_>>());
}

#[test]
fn raised_flag_stops_acknowledgements_until_the_next_writer_clears_it() {
    let (dir, mut writer) = two_segments();
    let second = SegmentId::starting_at(Seq::new(5));
    let path = wal(&dir).join(second.file_name());
    poison::raise(&Ports::real(), &wal(&dir), second, Seq::new(6)).unwrap();
    poison::raise(
        &Ports::real(),
        &wal(&dir),
        SegmentId::starting_at(Seq::new(9)),
        Seq::new(9),
    )
    .unwrap();
    assert!(matches!(
        writer.sync_and_prove(),
        Err(Error::Poisoned { .. })
    ));
    let before = fs::read(&path).unwrap();
    let flag = poison::read(&*Ports::real().disk, &wal(&dir))
        .unwrap()
        .unwrap();
    assert_eq!(flag.segment, second, "the lower segment wins");
    append(&mut writer, &[event(6)]);
    assert!(!wal(&dir).join("poisoned").exists());
    assert!(fs::read(&path).unwrap().starts_with(&before));
    let kept: Vec<_> = fs::read_dir(wal(&dir).join("quarantine"))
        .unwrap()
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read(kept[0].as_ref().unwrap().path()).unwrap(), before);
    let (seen, _) = read_all(&log(&dir), Seq::new(8), false);
    assert_eq!(seqs(&seen), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn flag_that_says_nothing_distrusts_every_segment() {
    let (dir, mut writer) = two_segments();
    fs::write(wal(&dir).join("poisoned"), b"").unwrap();
    append(&mut writer, &[event(6)]);
    assert_eq!(
        fs::read_dir(wal(&dir).join("quarantine")).unwrap().count(),
        2
    );
}

#[test]
fn bytes_short_of_what_is_known_durable_are_not_cleared() {
    let (dir, mut writer) = two_segments();
    let second = SegmentId::starting_at(Seq::new(5));
    poison::raise(&Ports::real(), &wal(&dir), second, Seq::new(7)).unwrap();
    let path = wal(&dir).join(second.file_name());
    let bytes = fs::read(&path).unwrap();
    let cut = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|&b| b == b'\n')
        .unwrap()
        + 1;
    fs::write(&path, &bytes[..cut]).unwrap();
    let mut locked = writer.lock().unwrap();
    let Err(Error::Damaged(damage)) = locked.catch_up(&mut |_| Ok(())) else {
        panic!("record 7 is gone")
    };
    assert_eq!(
        (damage.seq, damage.kind),
        (Seq::new(7), DamageKind::Missing)
    );
    assert_eq!(damage.witness, Some(Witness::Mark(Seq::new(7))));
    assert!(wal(&dir).join("poisoned").exists());
}

fn long_event() -> String {
    format!(r#"{{"event":"added","item":"{}"}}"#, "x".repeat(700_000))
}

#[test]
fn a_group_in_pieces_is_the_same_group() {
    let group = vec![long_event(); 5];
    let write = |in_pieces: bool| {
        let (dir, mut writer) = store(&[]);
        append(&mut writer, &[event(1)]);
        let mut locked = writer.lock().unwrap();
        locked.catch_up(&mut |_| Ok(())).unwrap();
        let appended = if in_pieces {
            locked.append_pieces(group.clone().into()).unwrap()
        } else {
            locked.append(&group).unwrap()
        };
        let position = locked.position().clone();
        drop(locked);
        writer.sync_and_prove().unwrap();
        append(&mut writer, &[event(2)]);
        let (seen, end) = read_all(&log(&dir), Seq::NONE, false);
        assert_eq!(end.unwrap().tail, Tail::Clean);
        let bytes = fs::read(wal(&dir).join(SegmentId::FIRST.file_name())).unwrap();
        (appended, position, seqs(&seen), bytes)
    };
    assert!(write(true) == write(false));
}

#[test]
fn large_groups_do_not_need_to_fit_the_buffer() {
    let big = long_event();
    let (dir, mut writer) = store(&[]);
    let group: Vec<String> = std::iter::repeat_n(big.clone(), 5).collect();
    append(&mut writer, &group);
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    let rotated = locked.rotate_if_full(at()).unwrap();
    assert_eq!(rotated, Some(SegmentId::starting_at(Seq::new(7))));
    drop(locked);
    let (seen, end) = read_all(&log(&dir), Seq::NONE, false);
    assert_eq!(seqs(&seen), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(group::without_more(&seen[1].1), big);
    end.unwrap();
}

#[test]
fn no_store_is_told_from_a_lost_one() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(
        read_all(&log(&dir), Seq::NONE, false).1,
        Err(Error::NoStore { .. })
    ));
    fs::create_dir_all(wal(&dir)).unwrap();
    assert!(matches!(
        read_all(&log(&dir), Seq::NONE, false).1,
        Err(Error::NoStore { .. })
    ));
    fs::write(wal(&dir).join("mark"), b"").unwrap();
    assert!(matches!(
        read_all(&log(&dir), Seq::NONE, false).1,
        Err(Error::Damaged(_))
    ));
    let made = create(
        Ports::real(),
        &dir.path().join("data"),
        Vec::new(),
        at(),
        LogId::new(7),
        OPTIONS,
    );
    assert!(matches!(made, Err(Error::Damaged(_))));
    let (dir, _writer) = store(&[]);
    let made = create(
        Ports::real(),
        &dir.path().join("data"),
        Vec::new(),
        at(),
        LogId::new(7),
        OPTIONS,
    );
    assert!(matches!(made, Err(Error::StoreExists { .. })));
}

#[test]
fn newer_segment_is_refused_by_name() {
    let (dir, writer) = two_segments();
    let position = writer.position();
    let header = SegmentHeader {
        min_reader: 2,
        prev: Some(Predecessor {
            segment: position.segment,
            last_seq: Seq::new(7),
            valid_bytes: position.offset,
            last_crc32: position.previous,
        }),
        ..SegmentHeader::first(at(), LogId::new(7))
    };
    begin_segment(
        &log(&dir),
        &header,
        Seq::new(8),
        position.previous,
        Seq::new(7),
    )
    .unwrap();
    let Err(Error::NewerFormat { file, seq, .. }) = read_all(&log(&dir), Seq::NONE, false).1 else {
        panic!("it needs a newer reader")
    };
    assert!(file.ends_with("00000000000000000008.wal"));
    assert_eq!(seq, Some(Seq::new(8)));
}
