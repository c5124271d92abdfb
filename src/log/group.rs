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

use std::borrow::Cow;

use super::frame::{self, Crc};
use crate::error::{Error, Result};
use crate::position::Seq;

/// How the payload of every line but a group's last begins.
pub const MORE: &str = r#"{"more":true,"#;

/// The most bytes that a group appended at once may have, its lines and all: what a crash leaves of it must be held in
/// memory by whoever judges it. The first segment of a store is put in place whole and may have more. Few where the core is
/// tested, so that a test can go beyond it.
pub const MAX_GROUP: u64 = if cfg!(test) { 8 << 20 } else { 512 << 20 };

/// What [`Error::TooLarge`] says of a group that is larger.
pub const AT_ONCE: &str = "what is recorded at once";

/// True if the record is not the last of its group.
pub fn is_more(payload: &str) -> bool {
    payload.starts_with(MORE)
}

/// The payload as its author wrote it, without the mark that more follows.
pub fn without_more(payload: &str) -> Cow<'_, str> {
    match payload.strip_prefix(MORE) {
        Some(rest) => format!("{{{rest}").into(),
        None => payload.into(),
    }
}

/// The payload as it stands in its line: with the mark, if more follows.
pub fn as_line(payload: &str, more: bool) -> Cow<'_, str> {
    if more {
        format!("{MORE}{}", &payload[1..]).into()
    } else {
        payload.into()
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
        let payload = as_line(payload, index + 1 < payloads.len());
        let crc = frame::encode(&mut encoded.bytes, encoded.last_crc, seq, durable, &payload);
        if index == 0 {
            encoded.first_crc = crc;
        }
        encoded.last_crc = crc;
        encoded.last = seq;
    }
    encoded
}

/// Refuses a group that no reader would take: it holds nothing, a payload is none, or all of it is too large. Whether the
/// payloads say something is for whoever encoded them.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::Usage`].
pub fn check_group(payloads: &[String]) -> Result<()> {
    check_payloads(payloads)?;
    check_size(payloads)
}

/// Refuses what could not be read back.
pub(super) fn check_payloads(payloads: &[String]) -> Result<()> {
    if payloads.is_empty() {
        let message = "a group has at least one record".to_owned();
        return Err(Error::Usage { message });
    }
    payloads
        .iter()
        .try_for_each(|payload| check_payload(payload))
}

/// Refuses a payload that could not be read back.
pub(super) fn check_payload(payload: &str) -> Result<()> {
    let bytes = payload.len() + MORE.len();
    if bytes > frame::MAX_PAYLOAD {
        return Err(Error::TooLarge {
            what: "a record".to_owned(),
            bytes: bytes as u64,
            limit: frame::MAX_PAYLOAD as u64,
        });
    }
    let fault = frame::payload_fault(payload).or_else(|| {
        let inner = payload.starts_with("{\"") && !is_more(payload);
        (!inner).then_some("it is empty or says itself that more follows")
    });
    match fault {
        None => Ok(()),
        Some(fault) => {
            let message = format!("this cannot be recorded: {fault}");
            Err(Error::Usage { message })
        }
    }
}

/// A group is held in memory by whoever judges what a crash left of it.
fn check_size(payloads: &[String]) -> Result<()> {
    let bytes = payloads.iter().map(|payload| line_bytes(payload)).sum();
    size_is_taken(bytes)
}

/// The most bytes that a payload takes as a line.
fn line_bytes(payload: &str) -> u64 {
    (payload.len() + frame::MAX_LINE - frame::MAX_PAYLOAD) as u64
}

fn size_is_taken(bytes: u64) -> Result<()> {
    if bytes > MAX_GROUP {
        return Err(Error::TooLarge {
            what: AT_ONCE.to_owned(),
            bytes,
            limit: MAX_GROUP,
        });
    }
    Ok(())
}

/// A look at the payloads of a group one by one, as [`check_group`] does it with all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    bytes: u64,
}

impl Look {
    /// Looks at the next one.
    ///
    /// # Errors
    /// As [`check_group`].
    pub fn take(&mut self, payload: &str) -> Result<()> {
        check_payload(payload)?;
        self.bytes += line_bytes(payload);
        Ok(())
    }

    /// The most bytes that all of them take; an error if that is too much.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn bytes(&self) -> Result<u64> {
        size_is_taken(self.bytes).map(|()| self.bytes)
    }
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
