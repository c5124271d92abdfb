//! Records that are whole but for the newline behind them: their own checksum attests every byte that says something.
//!
//! ```text
//! record 6 X record 7 \n      record 6 \n record 7 \n      the newline was another byte, or several, or is gone
//! record 6 X                  record 6 \n                  at the end too
//! ```

use crate::log::frame::{self, Crc};
use crate::log::segment::{Scan, Step};
use crate::position::{Offset, Seq};

/// What may stand in a newline's place at most, in bytes: what is longer is the rest of something else.
const MOST: usize = 64;

/// Bytes with the newlines put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejoined {
    /// All of them.
    pub(super) bytes: Vec<u8>,
    /// The first place of the old bytes where a newline should be.
    pub(super) at: usize,
    /// The first record that had none.
    pub(super) first: Seq,
    /// The last.
    pub(super) last: Seq,
    /// How many had none.
    pub(super) count: u64,
}

/// Puts newlines back from the stop at `start` on, as far as nothing else is hurt. `seq` is expected there, behind the record
/// with that checksum, if anybody knows it.
pub(super) fn rejoin(
    bytes: &[u8],
    start: usize,
    seq: Seq,
    previous: Option<Crc>,
) -> Option<Rejoined> {
    let mut scan = Scan::new(Offset::new(start as u64), seq, previous);
    let mut written = bytes.get(..start)?.to_vec();
    let mut at = start;
    let mut found: Option<(usize, Seq, Seq, u64)> = None;
    loop {
        let rest = &bytes[at..];
        let before = scan.offset().get();
        if let Step::Line(_) = scan.step(rest, true) {
            let len = usize::try_from(scan.offset().get() - before).ok()?;
            written.extend_from_slice(&rest[..len]);
            at += len;
            continue;
        }
        let Some(len) = frame::at_start(rest) else {
            break;
        };
        let mut line = rest[..len].to_vec();
        line.push(b'\n');
        let Step::Line(record) = scan.step(&line, true) else {
            break;
        };
        let (seq, crc) = (record.frame.seq, record.frame.crc);
        let (_, _, last, count) = found.get_or_insert((at + len, seq, seq, 0));
        (*last, *count) = (seq, *count + 1);
        written.extend_from_slice(&line);
        at += len + in_its_place(&rest[len..], crc, seq.next());
    }
    let (first_at, first, last, count) = found?;
    written.extend_from_slice(&bytes[at..]);
    Some(Rejoined {
        bytes: written,
        at: first_at,
        first,
        last,
        count,
    })
}

/// How many bytes stand behind a record where its newline should be.
fn in_its_place(behind: &[u8], crc: Crc, next: Seq) -> usize {
    let near = &behind[..behind.len().min(MOST + 64)];
    // The next record names this one.
    let head = format!(" {crc} {next} ");
    let named = memchr::memmem::find(near, head.as_bytes());
    if let Some(begin) = named.and_then(|at| at.checked_sub(8)) {
        return begin;
    }
    // Editors and terminals add these; what else stands there is what is left of the next record.
    let blank = |byte: &&u8| matches!(byte, b'\r' | b' ' | b'\t' | 0);
    let blanks = near.iter().take_while(blank).count();
    match near.get(blanks) {
        Some(b'\n') => blanks + 1,
        None => blanks,
        // One byte was changed into another, or none stands there at all: what follows is hurt in any case.
        Some(_) => behind.len().min(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOADS: [&str; 5] = [
        r#"{"event":"added","item":"a","data":{"b":{}}}"#,
        r#"{"more":true,"event":"added","item":"b"}"#,
        r#"{"more":true,"event":"added","item":"c"}"#,
        r#"{"event":"added","item":"d"}"#,
        r#"{"event":"added","item":"e"}"#,
    ];

    /// Five records, three of them a group, and where each ends.
    fn log() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends, mut crc) = (Vec::new(), Vec::new(), Crc::NONE);
        for (seq, payload) in (1..).zip(PAYLOADS) {
            let durable = Seq::new([0, 1, 1, 1, 4][seq - 1]);
            crc = frame::encode(&mut bytes, crc, Seq::new(seq as u64), durable, payload);
            ends.push(bytes.len() - 1);
        }
        (bytes, ends)
    }

    fn joined_with(junk: &[u8], which: &[usize]) -> Vec<u8> {
        let (whole, ends) = log();
        let mut bytes = Vec::new();
        for (at, &byte) in whole.iter().enumerate() {
            let joined = ends.iter().position(|&end| end == at);
            match joined.filter(|index| which.contains(index)) {
                Some(_) => bytes.extend_from_slice(junk),
                None => bytes.push(byte),
            }
        }
        bytes
    }

    #[test]
    fn any_newline_is_put_back() {
        let (whole, ends) = log();
        let junks: [&[u8]; 6] = [b"", b" ", b"\0", b"\r\n", b"xyz", b"\r\r"];
        for junk in junks {
            for which in [
                vec![0],
                vec![1],
                vec![2],
                vec![3],
                vec![1, 2],
                vec![0, 1, 2, 3],
            ] {
                let bytes = joined_with(junk, &which);
                let found = rejoin(&bytes, 0, Seq::FIRST, Some(Crc::NONE)).unwrap();
                assert_eq!(found.bytes, whole, "{junk:?} {which:?}");
                assert_eq!(
                    (found.at, found.count),
                    (ends[which[0]], which.len() as u64)
                );
                assert_eq!(found.first.get(), which[0] as u64 + 1);
            }
            let bytes = joined_with(junk, &[4]);
            let found = rejoin(&bytes, 0, Seq::FIRST, Some(Crc::NONE));
            let whole = found.is_some_and(|found| found.bytes.starts_with(&whole));
            assert!(whole, "at the end: {junk:?}");
        }
    }

    #[test]
    fn what_is_hurt_besides_stays_as_it_is() {
        let (whole, ends) = log();
        assert_eq!(rejoin(&whole, 0, Seq::FIRST, Some(Crc::NONE)), None);
        let mut hurt = whole.clone();
        hurt[ends[0] + 30] ^= 1;
        assert_eq!(rejoin(&hurt, 0, Seq::FIRST, Some(Crc::NONE)), None);
        hurt[ends[0]] = b'!';
        let found = rejoin(&hurt, 0, Seq::FIRST, Some(Crc::NONE)).unwrap();
        hurt[ends[0]] = b'\n';
        assert_eq!((found.bytes, found.count), (hurt, 1));
    }
}
