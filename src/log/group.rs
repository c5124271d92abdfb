//! Groups: records that stand or fall together, such as an import or a batch.
//!
//! ```text
//! … 7 5 {"more":true,"event":"added",…}
//! … 8 5 {"more":true,"event":"added",…}
//! … 9 5 {"event":"imported",…}             <- without it, the log ends before record 7
//! ```
//!
//! Every line but the last says that more follows, so a group needs no length in front and one record alone is a
//! group of one. A kill does cut large writes; that is why the last line decides.

use super::frame::{self, Crc};
use crate::position::Seq;

/// How the payload of every line but a group's last begins.
pub const MORE: &str = r#"{"more":true,"#;

/// The most bytes that a group appended at once may have, its lines and all: what a crash leaves of it must be held in
/// memory by whoever judges it. The first segment of a store is put in place whole and may have more.
pub const MAX_GROUP: u64 = 512 << 20;

/// True if the record is not the last of its group.
pub fn is_more(payload: &str) -> bool {
    payload.starts_with(MORE)
}

/// The payload as its author wrote it, without the mark that more follows.
pub fn without_more(payload: &str) -> std::borrow::Cow<'_, str> {
    match payload.strip_prefix(MORE) {
        Some(rest) => format!("{{{rest}").into(),
        None => payload.into(),
    }
}

/// A group, ready to be written in one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Its lines.
    pub bytes: Vec<u8>,
    /// The seq of its first record.
    pub first: Seq,
    /// The seq of its last record.
    pub last: Seq,
    /// The checksum of its first record.
    pub first_crc: Crc,
    /// The checksum of its last record, which the next record names.
    pub last_crc: Crc,
}

/// Writes payloads as one group; they come without `more` and there is at least one.
pub fn encode_group(previous: Crc, first: Seq, durable: Seq, payloads: &[String]) -> Encoded {
    let mut encoded = Encoded {
        bytes: Vec::with_capacity(payloads.iter().map(|payload| payload.len() + 80).sum()),
        first,
        last: first.before(),
        first_crc: previous,
        last_crc: previous,
    };
    for (index, payload) in payloads.iter().enumerate() {
        let seq = first.plus(index as u64);
        let marked;
        let payload = if index + 1 < payloads.len() {
            marked = format!("{MORE}{}", &payload[1..]);
            marked.as_str()
        } else {
            payload
        };
        let crc = frame::encode(&mut encoded.bytes, encoded.last_crc, seq, durable, payload);
        if index == 0 {
            encoded.first_crc = crc;
        }
        encoded.last_crc = crc;
        encoded.last = seq;
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_but_the_last_say_that_more_follows() {
        let payloads = [r#"{"event":"a"}"#, r#"{"event":"b"}"#, r#"{"event":"c"}"#];
        let group = encode_group(
            Crc::NONE,
            Seq::new(7),
            Seq::new(5),
            &payloads.map(String::from),
        );
        let text = String::from_utf8(group.bytes.clone()).unwrap();
        let frames: Vec<_> = text
            .lines()
            .map(|line| frame::parse(line.as_bytes()).unwrap())
            .collect();
        assert_eq!(
            frames
                .iter()
                .map(|f| is_more(f.payload))
                .collect::<Vec<_>>(),
            [true, true, false]
        );
        assert!(frames.iter().all(|f| f.durable == Seq::new(5)));
        assert_eq!(frames[1].payload, r#"{"more":true,"event":"b"}"#);
        assert_eq!(without_more(frames[1].payload), payloads[1]);
        assert_eq!(without_more(frames[2].payload), payloads[2]);
        assert_eq!(frames[2].previous, frames[1].crc);
        assert_eq!((group.first, group.last), (Seq::new(7), Seq::new(9)));
        assert_eq!(
            (group.first_crc, group.last_crc),
            (frames[0].crc, frames[2].crc)
        );
    }

    #[test]
    fn golden_group() {
        let payloads = [r#"{"event":"added"}"#, r#"{"event":"imported"}"#].map(String::from);
        let group = encode_group(
            Crc::parse("74695ccf").unwrap(),
            Seq::new(2),
            Seq::FIRST,
            &payloads,
        );
        let text = String::from_utf8(group.bytes).unwrap();
        let (first, second) = text.split_once('\n').unwrap();
        assert_eq!(
            &first[8..],
            r#" 74695ccf 2 1 {"more":true,"event":"added"}"#
        );
        assert_eq!(&second[8..17], &format!(" {}", &first[..8]));
        assert_eq!(&second[17..], " 3 1 {\"event\":\"imported\"}\n");
    }
}
