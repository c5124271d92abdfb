//! What a glance at the end of one segment may take for all there is.

use super::*;
use crate::log::cursor::Cursor;
use crate::log::glance::{Names, changed, glance, show_change};
use crate::log::trouble::Trouble;

/// Another writer of the same log.
fn writer_of(dir: &TempDir) -> Writer {
    let end = log(dir).read(
        From::FirstRecord,
        Witnesses::default(),
        Access::ReadWrite,
        false,
        &mut |_| Ok(()),
    );
    Writer::new(log(dir), end.unwrap(), Witnesses::default(), OPTIONS)
}

/// Looks from where `writer` stands; what was read, and whether that is all.
fn look(dir: &TempDir, writer: &Writer, mark: Seq) -> (Vec<u64>, bool) {
    let (log, mut seen) = (log(dir), Vec::new());
    let position = writer.position().clone();
    let path = log.segment_path(position.segment);
    let file = log.ports.disk.open_read(&path).unwrap();
    let witnesses = Witnesses {
        mark,
        snapshot: Seq::NONE,
    };
    let mut cursor = Cursor::start(From::Position(position));
    let len = file.len().unwrap();
    let all = glance(&log, witnesses, &mut cursor, &*file, len, &mut |entry| {
        seen.push(entry.frame.seq.get());
        Ok(())
    });
    (seen, all.map_err(Trouble::into_error).unwrap())
}

#[test]
fn whole_lines_at_the_end_of_the_same_segment_are_all_there_is() {
    let (dir, writer) = two_segments();
    assert_eq!(look(&dir, &writer, Seq::new(7)), (vec![], true));
    let mut other = writer_of(&dir);
    append(&mut other, &[event(6), event(7)]);
    assert_eq!(look(&dir, &writer, Seq::NONE), (vec![8, 9], true));
    // What is attested and not there is for a pass to judge.
    assert_eq!(look(&dir, &writer, Seq::new(10)), (vec![8, 9], false));
}

#[test]
fn a_line_without_its_end_is_not_judged_at_a_glance() {
    let (dir, writer) = two_segments();
    let path = wal(&dir).join(writer.position().segment.file_name());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, [&*bytes, b"0123"].concat()).unwrap();
    assert_eq!(look(&dir, &writer, Seq::NONE), (vec![], false));
}

#[test]
fn a_successor_is_seen_by_its_name() {
    let (dir, writer) = two_segments();
    let mut other = writer_of(&dir);
    append(&mut other, &[event(6)]);
    let mut locked = other.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked.rotate(at()).unwrap();
    assert_eq!(look(&dir, &writer, Seq::NONE), (vec![8], false));
}

#[test]
fn names_that_change_show_in_the_directory() {
    let (dir, _writer) = two_segments();
    let log = log(&dir);
    let before = Names::look(&log);
    assert!(before.is_some());
    assert_eq!(Names::look(&log), before);
    show_change(&log.ports, &log, changed(&log));
    assert_ne!(Names::look(&log), before);
    // Nothing is left behind.
    assert_eq!(log.segments().unwrap().len(), 2);
    assert!(!fs::read_dir(wal(&dir)).unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str().unwrap().starts_with('.')
    }));
}
