//! Times as snapshots write them, fast: a snapshot holds millions, most of them on a few days.
//!
//! A time without its offset says less than the state knows: which of two hours is meant where the clocks are set back,
//! and in which zone. So a file with such times keeps the offsets it was written with, in the order of its times.

use std::io::Write as _;

use chrono::{DateTime, Local, NaiveDate, Offset as _, TimeZone as _, Utc};
use serde::de::Visitor;
use serde::{Deserialize, Serialize};

use crate::pipeline::Timestamp;
use crate::pipeline::time::SnapshotTimes;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How a snapshot writes times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeStyle {
    /// RFC 3339 in UTC with microseconds: `2026-11-23T01:40:15.123456+00:00`.
    #[default]
    Utc,
    /// Local time without an offset: `2026-11-22T18:40:15.123456`, what Python's `datetime.now().isoformat()` gives.
    Naive,
    /// The same, with the offsets that a file was once written with: it then comes out as it did.
    NaiveAs(Offsets),
}

impl TimeStyle {
    /// The style of a store that has made this choice.
    pub const fn of(times: SnapshotTimes) -> Self {
        match times {
            SnapshotTimes::Utc => Self::Utc,
            SnapshotTimes::Naive => Self::Naive,
        }
    }
}

/// Offsets from UTC, in seconds east, of times one after the other: how many have the same, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offsets(Vec<(u64, i32)>);

impl Offsets {
    /// True if there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows, each of so many times with one offset.
    pub(super) fn rows(&self) -> impl Iterator<Item = &(u64, i32)> {
        self.0.iter()
    }

    fn push(&mut self, secs: i32) {
        match self.0.last_mut() {
            Some((count, last)) if *last == secs => *count += 1,
            _ => self.0.push((1, secs)),
        }
    }

    /// Takes away the first; `None` if there is none.
    pub(super) fn next(&mut self) -> Option<i32> {
        let (count, secs) = self.0.first_mut()?;
        let secs = *secs;
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.0.remove(0);
        }
        Some(secs)
    }
}

/// The time that a text without its offset means.
pub(super) fn from_naive(written: Timestamp, secs: i32) -> Option<Timestamp> {
    Timestamp::from_micros(written.micros() - i64::from(secs) * 1_000_000)
}

/// Writes times in one style. Remembers the date it wrote last: to write a date costs more than the rest.
#[derive(Debug)]
pub(super) struct TimeWriter {
    style: TimeStyle,
    day: Option<i64>,
    date: String,
    /// The offsets written so far.
    offsets: Offsets,
}

impl TimeWriter {
    pub(super) fn new(style: TimeStyle) -> Self {
        Self {
            style,
            day: None,
            date: String::new(),
            offsets: Offsets::default(),
        }
    }

    /// The offsets of all times written so far; none if they stand in the times.
    pub(super) const fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// The time as a clock shows it.
    fn shown(&mut self, time: Timestamp) -> Timestamp {
        let known = match &mut self.style {
            TimeStyle::Utc => return time,
            TimeStyle::Naive => None,
            TimeStyle::NaiveAs(offsets) => offsets.next(),
        };
        let local = || {
            let at = Local.offset_from_utc_datetime(&time.utc().naive_utc());
            at.fix().local_minus_utc()
        };
        let secs = known.unwrap_or_else(local);
        let shown = Timestamp::from_micros(time.micros() + i64::from(secs) * 1_000_000);
        // Only years of four digits can be written; at their edges UTC has to do.
        self.offsets.push(shown.map_or(0, |_| secs));
        shown.unwrap_or(time)
    }

    /// Appends the text, without quotes.
    pub(super) fn put(&mut self, time: Timestamp, into: &mut Vec<u8>) {
        let time = self.shown(time);
        let day = time.micros().div_euclid(MICROS_PER_DAY);
        if self.day != Some(day) {
            self.date = time.utc().format("%Y-%m-%d").to_string();
            self.day = Some(day);
        }
        let micros = time.micros().rem_euclid(MICROS_PER_DAY);
        let secs = micros / 1_000_000;
        let (hour, minute, second) = (secs / 3_600, secs / 60 % 60, secs % 60);
        into.extend_from_slice(self.date.as_bytes());
        write!(
            into,
            "T{hour:02}:{minute:02}:{second:02}.{:06}",
            micros % 1_000_000
        )
        .expect("a vector takes all bytes");
        if self.style == TimeStyle::Utc {
            into.extend_from_slice(b"+00:00");
        }
    }
}

/// Reads a time of a snapshot: what [`TimeWriter`] writes, any RFC 3339, and years beyond 9999. One without an offset
/// is read as if it were UTC; [`from_naive`] makes it the time that is meant.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    parse_canonical(text.as_bytes())
        .or_else(|| Timestamp::parse_rfc3339(text).ok())
        .or_else(|| text.parse::<DateTime<Utc>>().ok().map(Timestamp::from))
}

/// Reads exactly `2026-11-23T01:40:15.123456+00:00`.
fn parse_canonical(text: &[u8]) -> Option<Timestamp> {
    let shape = b"0000-00-00T00:00:00.000000+00:00";
    let fits = (text.len() == shape.len() && text[26..] == shape[26..] || text.len() == 26)
        && std::iter::zip(&text[..26], shape).all(|(&byte, &form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to]
            .iter()
            .fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'))
    };
    let year = i32::try_from(number(0, 4)).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5, 7), number(8, 10))?;
    let time = date.and_hms_micro_opt(
        number(11, 13),
        number(14, 16),
        number(17, 19),
        number(20, 26),
    )?;
    Some(time.and_utc().into())
}

/// A time of a snapshot or `null`.
#[derive(Debug)]
pub(super) struct MaybeTime(pub(super) Option<Timestamp>);

impl<'de> Deserialize<'de> for MaybeTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = MaybeTime;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time or null")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<MaybeTime, E> {
                Ok(MaybeTime(None))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<MaybeTime, E> {
                match parse(text) {
                    Some(time) => Ok(MaybeTime(Some(time))),
                    None => Err(E::custom(format_args!("{text:?} is no time"))),
                }
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// Reads microseconds since the epoch.
pub(super) fn from_micros<E: serde::de::Error>(micros: i64) -> Result<Timestamp, E> {
    Timestamp::from_micros(micros).ok_or_else(|| E::custom("a time beyond all years"))
}

/// Times in `log.state`: microseconds since the epoch, which every time has, whatever its year.
pub(super) mod micros {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::pipeline::Timestamp;

    #[expect(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks for a reference"
    )]
    pub(in crate::snapshot) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_i64(time.micros()),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::snapshot) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Option::<i64>::deserialize(deserializer)?
            .map(super::from_micros)
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_text_is_that_of_the_timestamp_and_reads_back(
            micros in prop_oneof![0_i64..4_000_000_000_000_000, -9_000_000_000_000_000_i64..9_000_000_000_000_000_000]
        ) {
            let Some(time) = Timestamp::from_micros(micros) else { return Ok(()) };
            let (mut writer, mut text) = (TimeWriter::new(TimeStyle::Utc), Vec::new());
            writer.put(time, &mut text);
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(&text, &time.to_offset_text());
            prop_assert_eq!(parse(&text), Some(time));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "2026-13-01T00:00:00.000000+00:00",
            "2026-11-23",
            "2026-11-23T24:00:00.000000+00:00",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        let zulu = parse("2026-11-23T01:40:15.123456Z");
        assert_eq!(zulu, parse("2026-11-23T01:40:15.123456+00:00"));
        assert!(zulu.is_some());
    }
}
