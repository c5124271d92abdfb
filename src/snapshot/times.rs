//! Times as snapshots write them, fast: a snapshot holds millions, most of them on a few days.

use std::io::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde::de::Visitor;

use crate::pipeline::Timestamp;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How a snapshot writes times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeStyle {
    /// RFC 3339 in UTC with microseconds: `2026-11-23T01:40:15.123456+00:00`.
    #[default]
    Utc,
}

/// Writes times in one style. Remembers the date it wrote last: to write a date costs more than the rest.
#[derive(Debug)]
pub(super) struct TimeWriter {
    style: TimeStyle,
    day: Option<i64>,
    date: String,
}

impl TimeWriter {
    pub(super) const fn new(style: TimeStyle) -> Self {
        Self {
            style,
            day: None,
            date: String::new(),
        }
    }

    /// Appends the text, without quotes.
    pub(super) fn put(&mut self, time: Timestamp, into: &mut Vec<u8>) {
        let TimeStyle::Utc = self.style;
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
            "T{hour:02}:{minute:02}:{second:02}.{:06}+00:00",
            micros % 1_000_000
        )
        .expect("a vector takes all bytes");
    }
}

/// Reads a time of a snapshot: what [`TimeWriter`] writes, any RFC 3339, and years beyond 9999.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    parse_canonical(text.as_bytes())
        .or_else(|| Timestamp::parse_rfc3339(text).ok())
        .or_else(|| text.parse::<DateTime<Utc>>().ok().map(Timestamp::from))
}

/// Reads exactly `2026-11-23T01:40:15.123456+00:00`.
fn parse_canonical(text: &[u8]) -> Option<Timestamp> {
    let shape = b"0000-00-00T00:00:00.000000+00:00";
    let fits = text.len() == shape.len()
        && text[26..] == shape[26..]
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

    #[expect(clippy::ref_option, reason = "serde asks for a reference")]
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
