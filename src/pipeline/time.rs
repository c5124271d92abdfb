//! Points in time and lengths of time, as values. Nothing here asks what time it is.

use std::fmt;
use std::num::NonZeroI64;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Microseconds in a second.
pub const MICROS_PER_SEC: u64 = 1_000_000;

/// A point in time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Two written forms exist: `2026-11-23T01:40:15.123456Z` in records, and the same with `+00:00` in snapshots and
/// JSON output, which Python's `datetime.fromisoformat` reads since 3.7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroI64);

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timestamp").field(&self.micros()).finish()
    }
}

/// 0000-01-01T00:00:00Z: RFC 3339 has four digits for a year.
const FIRST_MICROS: i64 = -62_167_219_200_000_000;
/// 9999-12-31T23:59:59.999999Z.
const LAST_MICROS: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self::of(0);

    /// Kept as microseconds since the first moment there is, and one: never zero, so that an `Option` of one takes no more room.
    const fn of(micros: i64) -> Self {
        match NonZeroI64::new(micros - FIRST_MICROS + 1) {
            Some(kept) => Self(kept),
            None => panic!("no time before the first is made"),
        }
    }

    /// Makes a timestamp from microseconds since the epoch; `None` outside the years 0 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (FIRST_MICROS..=LAST_MICROS)
            .contains(&micros)
            .then(|| Self::of(micros))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0.get() + FIRST_MICROS - 1
    }

    /// Reads RFC 3339 with an offset. Digits beyond microseconds are dropped.
    ///
    /// # Errors
    /// The text is not RFC 3339, or has no offset.
    pub fn parse_rfc3339(text: &str) -> Result<Self, chrono::ParseError> {
        // An offset may lead out of the years that can be written; the time then stays at their edge.
        let micros = DateTime::parse_from_rfc3339(text)?.timestamp_micros();
        Ok(Self::of(micros.clamp(FIRST_MICROS, LAST_MICROS)))
    }

    /// The time as chrono knows it.
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros())
            .expect("every Timestamp was checked when made")
    }

    /// `2026-11-23T01:40:15.123456Z`, as in records.
    pub fn to_record_text(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// `2026-11-23T01:40:15.123456+00:00`, as in snapshots and JSON output.
    pub fn to_offset_text(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Micros, false)
    }

    /// Microseconds from `earlier` to this; 0 if `earlier` is later (a clock was set back).
    pub fn micros_since(self, earlier: Self) -> u64 {
        u64::try_from(self.micros().saturating_sub(earlier.micros())).unwrap_or(0)
    }

    /// This time and `micros` more; stays at the end of time rather than wrap.
    #[must_use]
    pub fn plus_micros(self, micros: u64) -> Self {
        let sum = i64::try_from(micros)
            .ok()
            .and_then(|micros| self.micros().checked_add(micros));
        sum.and_then(Self::from_micros).unwrap_or(self)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::of(time.timestamp_micros().clamp(FIRST_MICROS, LAST_MICROS))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_record_text())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_record_text())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

/// A moment on the clock of one boot: it goes on while the machine sleeps and is not set by anybody
/// (Linux `CLOCK_BOOTTIME`, with `/proc/sys/kernel/random/boot_id`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootInstant {
    /// The kernel's id of this boot.
    pub boot: String,
    /// Microseconds since that boot.
    pub micros: u64,
    /// How many of them the machine slept; 0 where that is not known.
    pub asleep_us: u64,
}

/// How the snapshots of a store write times: a choice that is recorded, so that every process writes them alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotTimes {
    /// With their offset, in UTC.
    #[default]
    Utc,
    /// Local time without an offset, for scripts that compare with `datetime.now()`.
    Naive,
}

/// What the clock says at one moment: the wall clock, and the boot clock where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall time.
    pub at: Timestamp,
    /// The time was given by the caller (`--now`) instead of read from a clock.
    pub given: bool,
    /// The boot clock at the same moment, where the platform has one.
    pub boot: Option<BootInstant>,
}

/// Writes a length of time as people do: `47m12s`, `1h30m`, `3.1s`, `2d4h`.
pub fn human_duration(micros: u64) -> String {
    let secs = micros / MICROS_PER_SEC;
    let (days, hours, minutes, rest) =
        (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60);
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{big}{big_unit}")
        } else {
            format!("{big}{big_unit}{small}{small_unit}")
        }
    };
    if days > 0 {
        two(days, "d", hours, "h")
    } else if hours > 0 {
        two(hours, "h", minutes, "m")
    } else if minutes > 0 {
        two(minutes, "m", rest, "s")
    } else {
        let tenths = micros % MICROS_PER_SEC / 100_000;
        if tenths == 0 {
            format!("{rest}s")
        } else {
            format!("{rest}.{tenths}s")
        }
    }
}

/// Reads `30m`, `1h30m`, `90s`, `2d`, `250ms` or plain seconds into microseconds; `None` if it is none of these.
pub fn parse_duration(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if let Ok(secs) = text.parse::<u64>() {
        return secs.checked_mul(MICROS_PER_SEC);
    }
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let value: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_len = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..unit_len] {
            "ms" => 1_000,
            "s" => MICROS_PER_SEC,
            "m" | "min" => 60 * MICROS_PER_SEC,
            "h" => 3_600 * MICROS_PER_SEC,
            "d" => 86_400 * MICROS_PER_SEC,
            "w" => 7 * 86_400 * MICROS_PER_SEC,
            _ => return None,
        };
        total = total.checked_add(value.checked_mul(unit)?)?;
        rest = &rest[unit_len..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_written_forms_read_back() {
        let time = Timestamp::parse_rfc3339("2026-11-22T18:40:15.123456-07:00").unwrap();
        assert_eq!(time.to_record_text(), "2026-11-23T01:40:15.123456Z");
        assert_eq!(time.to_offset_text(), "2026-11-23T01:40:15.123456+00:00");
        assert_eq!(Timestamp::parse_rfc3339(&time.to_offset_text()), Ok(time));
    }

    #[test]
    fn time_that_runs_backwards_is_no_time() {
        let early = Timestamp::from_micros(5).unwrap();
        let late = Timestamp::from_micros(9).unwrap();
        assert_eq!((late.micros_since(early), early.micros_since(late)), (4, 0));
    }

    #[test]
    fn every_time_that_exists_can_be_written_and_read_back() {
        for (micros, text) in [
            (FIRST_MICROS, "0000-01-01T00:00:00.000000Z"),
            (LAST_MICROS, "9999-12-31T23:59:59.999999Z"),
        ] {
            let time = Timestamp::from_micros(micros).unwrap();
            assert_eq!(time.to_record_text(), text);
            assert_eq!(Timestamp::parse_rfc3339(text), Ok(time));
        }
        assert_eq!(Timestamp::from_micros(LAST_MICROS + 1), None);
        let edge = Timestamp::parse_rfc3339("9999-12-31T23:59:59-23:00").unwrap();
        assert_eq!(edge.micros(), LAST_MICROS);
        assert_eq!(edge.plus_micros(u64::MAX), edge);
    }

    #[test]
    fn durations_read_and_write() {
        for (text, micros, written) in [
            ("30m", 1_800_000_000, "30m"),
            ("1h30m", 5_400_000_000, "1h30m"),
            ("90s", 90_000_000, "1m30s"),
            ("90", 90_000_000, "1m30s"),
            ("250ms", 250_000, "0.2s"),
            ("2d4h", 187_200_000_000, "2d4h"),
        ] {
            assert_eq!(parse_duration(text), Some(micros), "{text}");
            assert_eq!(human_duration(micros), written);
        }
        for bad in ["", "m", "3x", "-5s", "1h30", "99999999999999999999s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
