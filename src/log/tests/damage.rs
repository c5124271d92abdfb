//! Hurt files: every mutant of a small log is loud, or gives everything that was acknowledged.

use super::*;

/// Changes one byte in place.
fn flip(path: &Path, at: usize, byte: u8) {
    let file = Ports::real().disk.open_write(path).unwrap();
    file.write_full_at(at as u64, &[byte]).unwrap();
}

/// Reads a mutant: it must be loud, or give everything that was acknowledged.
fn check_mutant(dir: &TempDir, whole: &[(Seq, String)], what: &str) {
    let (seen, end) = read_all(&log(dir), Seq::new(whole.len() as u64), true);
    assert!(whole.starts_with(&seen) || end.is_err(), "{what}: {seen:?}");
    if let Ok(end) = end {
        assert_eq!(
            seen, whole,
            "{what}: silent loss before {}",
            end.position.next
        );
    }
}

#[test]
fn every_bit_flip_and_every_truncation_is_loud() {
    let (dir, _writer) = two_segments();
    let (whole, _) = read_all(&log(&dir), Seq::NONE, true);
    for id in [1, 5].map(|first| SegmentId::starting_at(Seq::new(first))) {
        let path = wal(&dir).join(id.file_name());
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                flip(&path, at, bytes[at] ^ 1 << bit);
                check_mutant(&dir, &whole, &format!("{id} byte {at} bit {bit}"));
                flip(&path, at, bytes[at]);
            }
            fs::write(&path, &bytes[..at]).unwrap();
            check_mutant(&dir, &whole, &format!("{id} cut at {at}"));
            let mut without = bytes.clone();
            without.remove(at);
            fs::write(&path, &without).unwrap();
            check_mutant(&dir, &whole, &format!("{id} without byte {at}"));
            fs::write(&path, &bytes).unwrap();
        }
        fs::write(&path, &bytes).unwrap();
    }
    for id in [1, 5].map(|first| SegmentId::starting_at(Seq::new(first))) {
        let path = wal(&dir).join(id.file_name());
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        check_mutant(&dir, &whole, &format!("{id} missing"));
        fs::write(&path, &bytes).unwrap();
    }
}

#[test]
fn every_bit_flip_is_loud_even_without_the_mark() {
    let (dir, _writer) = two_segments();
    let (whole, _) = read_all(&log(&dir), Seq::NONE, true);
    for id in [1, 5].map(|first| SegmentId::starting_at(Seq::new(first))) {
        let path = wal(&dir).join(id.file_name());
        let bytes = fs::read(&path).unwrap();
        for (at, &byte) in bytes.iter().enumerate() {
            // The one flip that looks like a lost sector: a space before a sector's end that becomes a NUL.
            for bit in (0..8).filter(|bit| byte != 1 << bit || (at + 1) % 512 != 0) {
                flip(&path, at, byte ^ 1 << bit);
                let (seen, end) = read_all(&log(&dir), Seq::NONE, true);
                assert!(end.is_err(), "{id} byte {at} bit {bit}: {}", seen.len());
                assert!(whole.starts_with(&seen));
            }
            flip(&path, at, byte);
        }
    }
}

#[test]
fn damage_names_the_items_it_hits() {
    let (dir, _writer) = two_segments();
    let path = wal(&dir).join(SegmentId::FIRST.file_name());
    let mut bytes = fs::read(&path).unwrap();
    let group = memchr::memmem::find(&bytes, b"\"more\"").unwrap();
    bytes[group] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (_, Err(Error::Damaged(damage))) = read_all(&log(&dir), Seq::NONE, false) else {
        panic!("record 3 is hurt")
    };
    assert_eq!(damage.seq, Seq::new(3));
    assert_eq!(
        damage.witness,
        Some(Witness::Header(SegmentId::starting_at(Seq::new(5))))
    );
    assert_eq!(damage.file, Path::new("wal/00000000000000000001.wal"));
    assert_eq!(damage.items[0], "2 Example St");
}

#[test]
fn lost_range_that_a_header_declares_is_passed_over() {
    let (dir, writer) = two_segments();
    let log = log(&dir);
    let path = wal(&dir).join(SegmentId::FIRST.file_name());
    let bytes = fs::read(&path).unwrap();
    let starts: Vec<usize> = memchr::memchr_iter(b'\n', &bytes)
        .map(|at| at + 1)
        .collect();
    // Records 3 and 4 are a group; they are given up together.
    let lost = LostRange {
        segment: SegmentId::FIRST,
        from_byte: crate::position::Offset::new(starts[1] as u64),
        to_byte: crate::position::Offset::new(starts[3] as u64),
        from_seq: Seq::new(3),
        to_seq: Seq::new(4),
    };
    let tail = LostRange {
        segment: SegmentId::starting_at(Seq::new(5)),
        from_byte: writer.position().offset,
        to_byte: writer.position().offset,
        from_seq: Seq::new(8),
        to_seq: Seq::new(9),
    };
    let position = writer.position();
    let header = SegmentHeader {
        prev: Some(Predecessor {
            segment: position.segment,
            last_seq: Seq::new(7),
            valid_bytes: position.offset,
            last_crc32: position.previous,
        }),
        lost: vec![lost, tail],
        ..SegmentHeader::first(at(), LogId::new(7))
    };
    let mut hurt = bytes;
    hurt[starts[1] + 3] ^= 1;
    fs::write(&path, hurt).unwrap();
    assert!(read_all(&log, Seq::NONE, false).1.is_err());
    begin_segment(&log, &header, Seq::new(10), position.previous, Seq::new(7)).unwrap();
    let (seen, end) = read_all(&log, Seq::new(9), false);
    assert_eq!(seqs(&seen), [1, 2, 5, 6, 7, 10]);
    assert_eq!(end.unwrap().position.lost.len(), 2);
}

/// What a survey says, one word or two a thing.
fn survey(dir: &TempDir, mark: u64) -> Vec<String> {
    let mut said = Vec::new();
    let witnesses = Witnesses {
        mark: Seq::new(mark),
        snapshot: Seq::NONE,
    };
    let end = log(dir).survey(witnesses, true, &mut |what| {
        said.push(match what {
            Survey::Segment(facts) => format!("segment {}", facts.id.first_seq()),
            Survey::Record(entry) => entry.frame.seq.to_string(),
            Survey::Finding(finding) => format!(
                "{:?} {}..{:?} {} bytes",
                finding.severity,
                finding.damage.seq,
                finding.to_seq.map(Seq::get),
                finding.bytes
            ),
        });
        Ok(())
    });
    said.push(format!("bad {}", end.unwrap().bad));
    said
}

#[test]
fn survey_goes_on_behind_damage() {
    let (dir, mut writer) = two_segments();
    let clean = [
        "segment 1",
        "1",
        "2",
        "3",
        "4",
        "segment 5",
        "5",
        "6",
        "7",
        "bad 0",
    ];
    assert_eq!(survey(&dir, 7), clean);
    let first = wal(&dir).join(SegmentId::FIRST.file_name());
    let bytes = fs::read(&first).unwrap();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &bytes)
        .map(|at| at + 1)
        .collect();
    // A hurt line in a group takes the group with it.
    flip(&first, ends[1] + 20, b'!');
    let hurt = format!("Damaged 3..Some(4) {} bytes", ends[3] - ends[1]);
    let said = survey(&dir, 7);
    assert_eq!(said[..6], ["segment 1", "1", "2", &hurt, "segment 5", "5"]);
    assert_eq!(said[8], "bad 1");
    fs::write(&first, &bytes).unwrap();
    // A missing segment, a hurt header.
    fs::remove_file(&first).unwrap();
    assert_eq!(
        survey(&dir, 7)[..2],
        ["segment 5", "Damaged 1..Some(4) 0 bytes"]
    );
    fs::write(&first, &bytes).unwrap();
    let second = wal(&dir).join(SegmentId::starting_at(Seq::new(5)).file_name());
    let header = fs::read(&second).unwrap();
    flip(&second, 30, b'!');
    let len = memchr::memchr(b'\n', &header).unwrap() + 1;
    let hurt = format!("Damaged 5..Some(5) {len} bytes");
    assert_eq!(survey(&dir, 7)[5..9], ["segment 5", &hurt, "6", "7"]);
    flip(&second, 30, header[30]);
    // A torn tail, before and after it is sealed.
    let mut torn = header;
    torn.extend_from_slice(b"0123");
    fs::write(&second, &torn).unwrap();
    assert_eq!(survey(&dir, 7)[9], "Torn(CutLine) 8..None 4 bytes");
    append(&mut writer, &[event(6)]);
    let said = survey(&dir, 7);
    assert_eq!(said[9], "Sealed 8..None 4 bytes");
    assert_eq!(said[said.len() - 1], "bad 0");
}

#[test]
fn rewritten_history_breaks_the_chain_of_heads() {
    let (dir, _writer) = two_segments();
    let first = wal(&dir).join(SegmentId::FIRST.file_name());
    let other = store(&[vec![event(9)]]).0;
    // All of the first segment but what the second attests of it.
    fs::copy(wal(&other).join(SegmentId::FIRST.file_name()), &first).unwrap();
    assert_ne!(survey(&dir, 0).last().unwrap(), "bad 0");
}

#[test]
fn several_segments_may_follow_a_snapshot() {
    let (dir, mut writer) = two_segments();
    let first = fs::read(wal(&dir).join(SegmentId::FIRST.file_name())).unwrap();
    let lines = first[..first.len() - 1].rsplit(|&byte| byte == b'\n');
    let crc = frame::parse(lines.take(1).next().unwrap()).unwrap().crc;
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked.rotate(at()).unwrap();
    drop(locked);
    let from = From::AfterSnapshot {
        seq: Seq::new(4),
        crc,
        log: LogId::new(7),
    };
    let end = log(&dir).read(
        from,
        Witnesses::default(),
        Access::ReadOnly,
        true,
        &mut |_| Ok(()),
    );
    assert_eq!(end.unwrap().position.next, Seq::new(9));
}

#[test]
fn a_hurt_record_is_one_finding_and_not_a_rewritten_history() {
    let (dir, _writer) = two_segments();
    let first = wal(&dir).join(SegmentId::FIRST.file_name());
    flip(&first, 30, b'!');
    let said = survey(&dir, 7);
    assert_eq!(said.last().unwrap(), "bad 1", "{said:?}");
}
