//! The time texts of other programs: with an offset, without one, or none at all.

use std::fmt;

use chrono::{
    DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Timelike, Utc,
};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::pipeline::Timestamp;

/// Where times without an offset are taken to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// The zone of this machine. Its rules are the only thing that an import takes from outside its arguments.
    #[default]
    Local,
    /// UTC.
    Utc,
    /// A zone by name, by the rules that this program was built with.
    Named(TimeZone),
}

impl Zone {
    /// The zone of that name, such as `America/Phoenix`, upper or lower case; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().map(Self::Named)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Utc => f.write_str("UTC"),
            Self::Named(zone) => f.write_str(zone.iana_name().unwrap_or("a zone without a name")),
        }
    }
}

/// What a text says about a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It says it all.
    Exact(Timestamp),
    /// It has no offset; the zone gave one.
    Naive(Timestamp),
    /// It has no offset, and in that zone the clocks skipped it.
    Skipped(Timestamp),
    /// It is no time.
    Bad,
}

/// Reads a time: RFC 3339 and what Python's `isoformat` and `str` write.
pub(super) fn read(text: &str, zone: &Zone) -> Reading {
    let (time, offset) = split_offset(text.trim());
    let Some(naive) = naive(time) else {
        return Reading::Bad;
    };
    let (reading, at): (fn(Timestamp) -> Reading, _) = match offset {
        Offset::Seconds(east) => (Reading::Exact, naive.and_utc() - Duration::seconds(east)),
        Offset::Bad => return Reading::Bad,
        Offset::None => {
            let (at, skipped) = match zone {
                Zone::Utc => (Some(naive.and_utc()), false),
                Zone::Local => in_local_zone(naive),
                Zone::Named(zone) => in_zone(zone, naive),
            };
            let Some(at) = at else { return Reading::Bad };
            (
                if skipped {
                    Reading::Skipped
                } else {
                    Reading::Naive
                },
                at,
            )
        }
    };
    timestamp(at).map_or(Reading::Bad, reading)
}

/// Reads a number as seconds or milliseconds since 1970, if that gives a time between 2000 and 2100.
pub(super) fn read_number(text: &str) -> Option<Timestamp> {
    const YEAR_2000: f64 = 946_684_800.0;
    const YEAR_2100: f64 = 4_102_444_800.0;
    let number: f64 = text.parse().ok()?;
    let seconds = [number, number / 1000.0]
        .into_iter()
        .find(|seconds| (YEAR_2000..YEAR_2100).contains(seconds))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to lie before 2100"
    )]
    Timestamp::from_micros((seconds * 1e6).round() as i64)
}

/// Only years that have four digits can be written and read again.
fn timestamp(at: DateTime<Utc>) -> Option<Timestamp> {
    (1..=9998).contains(&at.year()).then(|| Timestamp::from(at))
}

enum Offset {
    None,
    /// Seconds east of UTC.
    Seconds(i64),
    Bad,
}

fn split_offset(text: &str) -> (&str, Offset) {
    for suffix in ["Z", "z", " UTC", " GMT"] {
        if let Some(time) = text.strip_suffix(suffix) {
            // `datetime.now(timezone.utc).isoformat() + "Z"` says it twice.
            return match split_offset(time) {
                (time, Offset::None | Offset::Seconds(0)) => (time, Offset::Seconds(0)),
                (time, _) => (time, Offset::Bad),
            };
        }
    }
    // A sign behind the date can only begin an offset: `2025-12-02T21:11:14-05:00`.
    let sign = text.get(10..).and_then(|rest| rest.rfind(['+', '-']));
    let Some(sign) = sign else {
        return (text, Offset::None);
    };
    let (time, offset) = text.split_at(10 + sign);
    (time.trim_end(), parse_offset(offset))
}

fn parse_offset(text: &str) -> Offset {
    let digits: String = text[1..].chars().filter(|&c| c != ':').collect();
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<u32>().ok();
    let parts = match digits.len() {
        2 => [number(0..2), Some(0), Some(0)],
        4 => [number(0..2), number(2..4), Some(0)],
        6 => [number(0..2), number(2..4), number(4..6)],
        _ => return Offset::Bad,
    };
    match parts {
        [
            Some(hours @ 0..24),
            Some(minutes @ 0..60),
            Some(seconds @ 0..60),
        ] if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            let east = i64::from(hours * 3600 + minutes * 60 + seconds);
            Offset::Seconds(if text.starts_with('-') { -east } else { east })
        }
        _ => Offset::Bad,
    }
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    // chrono takes signs and missing digits; nobody who writes times does.
    let date = text.get(..10)?;
    let shape = date.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let date = shape.then(|| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok())??;
    let Some(time) = text[10..].strip_prefix(['T', 't', ' ']) else {
        return (text.len() == 10).then(|| date.and_time(NaiveTime::MIN));
    };
    // Python's logging puts a comma before the milliseconds.
    let time = time.replace(',', ".");
    let formats = ["%H:%M:%S%.f", "%H:%M"];
    let time = formats
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(&time, format).ok())?;
    Some(date.and_time(time))
}

/// The earlier of the moments that a local time can mean, and whether the clocks skipped it.
fn in_zone(zone: &TimeZone, naive: NaiveDateTime) -> (Option<DateTime<Utc>>, bool) {
    let Some(civil) = civil(naive) else {
        return (None, false);
    };
    let (offset, skipped) = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => (offset, false),
        AmbiguousOffset::Fold { before, after } => (before.max(after), false),
        // Neither the offset before the gap nor the one behind it makes that time appear on a clock.
        AmbiguousOffset::Gap { before, after } => (before.max(after), true),
    };
    let east = Duration::seconds(offset.seconds().into());
    (naive.and_utc().checked_sub_signed(east), skipped)
}

/// To the second: no offset depends on less.
fn civil(naive: NaiveDateTime) -> Option<jiff::civil::DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    let year = i16::try_from(naive.year()).ok()?;
    let (month, day) = (small(naive.month())?, small(naive.day())?);
    let (hour, minute) = (small(naive.hour())?, small(naive.minute())?);
    jiff::civil::DateTime::new(year, month, day, hour, minute, small(naive.second())?, 0).ok()
}

/// As [`in_zone`], by the rules of this machine.
fn in_local_zone(naive: NaiveDateTime) -> (Option<DateTime<Utc>>, bool) {
    let zone = chrono::Local;
    if let Some(at) = zone.from_local_datetime(&naive).earliest() {
        return (Some(at.with_timezone(&Utc)), false);
    }
    let day = Duration::days(1);
    let moments = [naive.checked_sub_signed(day), naive.checked_add_signed(day)];
    let earlier = moments
        .into_iter()
        .flatten()
        .filter_map(|near| {
            let there = zone.from_local_datetime(&near).earliest()?;
            Some(there.with_timezone(&Utc) + (naive - near))
        })
        .min();
    (earlier, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phoenix() -> Zone {
        Zone::named("America/Phoenix").unwrap()
    }

    fn new_york() -> Zone {
        Zone::named("america/new_york").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn an_offset_is_believed() {
        let same = at("2025-12-03T02:11:14.588367Z");
        for text in [
            "2025-12-02T21:11:14.588367-05:00",
            "2025-12-02 21:11:14.588367-05:00",
            "2025-12-02T21:11:14.588367 -0500",
            "2025-12-02T21:11:14.588367-05",
            "2025-12-03T02:11:14.588367Z",
            "2025-12-03t02:11:14.588367z",
            "2025-12-03T02:11:14.588367+00:00Z",
            "2025-12-03 02:11:14.588367 UTC",
            "2025-12-03T02:11:14.588367999Z",
        ] {
            assert_eq!(read(text, &phoenix()), Reading::Exact(same), "{text}");
        }
    }

    #[test]
    fn no_offset_means_the_zone() {
        let same = Reading::Naive(at("2025-12-03T00:42:45.855497Z"));
        assert_eq!(read("2025-12-02T17:42:45.855497", &phoenix()), same);
        assert_eq!(read("2025-12-02 17:42:45,855497", &phoenix()), same);
        assert_eq!(read("2025-12-03T00:42:45.855497", &Zone::Utc), same);
        let day = Reading::Naive(at("2025-12-02T07:00:00Z"));
        assert_eq!(read("2025-12-02", &phoenix()), day);
        assert!(matches!(
            read("2025-12-02T17:42", &Zone::Local),
            Reading::Naive(_)
        ));
    }

    #[test]
    fn an_hour_that_comes_twice_means_the_first() {
        let first = Reading::Naive(at("2026-11-01T05:30:00Z"));
        assert_eq!(read("2026-11-01T01:30:00", &new_york()), first);
    }

    #[test]
    fn an_hour_that_the_clocks_skip_is_told_apart() {
        let earlier = Reading::Skipped(at("2026-03-08T06:30:00Z"));
        assert_eq!(read("2026-03-08T02:30:00", &new_york()), earlier);
        // The rules go on for ever.
        let later = Reading::Naive(at("2077-07-01T04:00:00.25Z"));
        assert_eq!(read("2077-07-01T00:00:00.25", &new_york()), later);
    }

    #[test]
    fn a_zone_is_known_by_its_name() {
        assert_eq!(new_york().to_string(), "America/New_York");
        assert_eq!(Zone::named("America/Nowhere"), None);
        assert_eq!(Zone::named(""), None);
    }

    #[test]
    fn what_is_no_time_is_bad() {
        for text in [
            "",
            "N/A",
            "yesterday",
            "2025-13-02T00:00:00",
            "2025-12-02T25:00:00",
            "2025-12-02X",
            "2025-12-02T",
            "+2025-12-02T00:00:00",
            "2025-12-02T17:40:46-5",
            "12/02/2025 17:40",
            "2025-12-02T17:40:46-05:00Z",
            "2025-12-02T17:40:46+25:00",
            "9999-12-31T23:59:59-05:00",
            "äöüäöüäöü",
            "2025-12-0ä",
            "2025-12-02T17:40:46+ä",
        ] {
            assert_eq!(read(text, &phoenix()), Reading::Bad, "{text}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds() {
        let time = Some(at("2025-12-02T17:40:46.5Z"));
        assert_eq!(read_number("1764697246.5"), time);
        assert_eq!(read_number("1764697246500"), time);
        assert_eq!(read_number("17"), None);
        assert_eq!(read_number("1e999"), None);
    }
}
