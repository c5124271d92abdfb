//! What people write for a time, and how a time is shown to them.
//!
//! | written | meaning |
//! |---|---|
//! | `2026-11-23T01:40:15Z` | that moment |
//! | `2h ago`, `-2h` | so long before now |
//! | `today`, `yesterday` | midnight, local time |
//! | `2026-11-23`, `2026-11-23 01:40` | local time |
//! | `@1042` | the record of that number, where a place in the log is asked for |

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

use crate::pipeline::Timestamp;
use crate::pipeline::time::parse_duration;
use crate::position::Seq;
use crate::store::replay::At;

use super::failure::Failure;

/// The zone in which text shows times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// Local time with its offset.
    Local,
    /// UTC.
    Utc,
}

impl Show {
    /// `2026-11-23 01:40:15+00:00`.
    pub(super) fn text(self, at: Timestamp) -> String {
        const FORM: &str = "%Y-%m-%d %H:%M:%S%:z";
        match self {
            Self::Local => at.utc().with_timezone(&Local).format(FORM).to_string(),
            Self::Utc => at.utc().format(FORM).to_string(),
        }
    }
}

/// Reads a time.
pub(super) fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let text = text.trim();
    if let Ok(at) = Timestamp::parse_rfc3339(text) {
        return Ok(at);
    }
    let age = text.strip_suffix(" ago").or_else(|| text.strip_prefix('-'));
    if let Some(micros) = age.and_then(parse_duration) {
        let micros = i64::try_from(micros)
            .ok()
            .and_then(|micros| now.micros().checked_sub(micros));
        return micros
            .and_then(Timestamp::from_micros)
            .ok_or_else(|| no_time(text));
    }
    let today = now.utc().with_timezone(&Local).date_naive();
    let naive = match text {
        "now" => return Ok(now),
        "today" => today.and_time(NaiveTime::MIN),
        "yesterday" => (today - chrono::Days::new(1)).and_time(NaiveTime::MIN),
        _ => parse_naive(text).ok_or_else(|| no_time(text))?,
    };
    local(naive).ok_or_else(|| no_time(text))
}

/// Reads a place in the log: `@SEQ` or a time.
pub(super) fn parse_at(text: &str, now: Timestamp) -> Result<At, Failure> {
    match text.trim().strip_prefix('@') {
        Some(digits) => match digits.parse() {
            Ok(seq) => Ok(At::Seq(Seq::new(seq))),
            Err(_) => Err(Failure::usage(format!(
                "{text:?} is no record: @ and a number"
            ))),
        },
        None => parse_time(text, now).map(At::Time),
    }
}

fn parse_naive(text: &str) -> Option<NaiveDateTime> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN));
    }
    let forms = [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S%.f",
    ];
    forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

/// The first moment that a local clock shows so; where the clock jumps over it, the moment of the jump.
fn local(naive: NaiveDateTime) -> Option<Timestamp> {
    let shifted = naive.checked_add_signed(chrono::TimeDelta::hours(1))?;
    let found = Local.from_local_datetime(&naive).earliest();
    let found = found.or_else(|| Local.from_local_datetime(&shifted).earliest());
    found.map(|time: DateTime<Local>| time.to_utc().into())
}

fn no_time(text: &str) -> Failure {
    Failure::usage(format!(
        "{text:?} is no time: 2026-11-23T01:40:15Z, \"2026-11-23 01:40\", 2h ago, today, yesterday or @SEQ"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn times_as_people_write_them() {
        let now = at("2026-11-23T12:00:00Z");
        for (text, wanted) in [
            ("2026-11-23T01:40:15Z", at("2026-11-23T01:40:15Z")),
            ("2h ago", at("2026-11-23T10:00:00Z")),
            ("-1h30m", at("2026-11-23T10:30:00Z")),
            ("now", now),
        ] {
            assert_eq!(parse_time(text, now).unwrap(), wanted, "{text}");
        }
        for bad in ["", "2h", "soon", "2026-13-01", "@x", "-"] {
            assert!(parse_time(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_behind_an_at_sign_is_a_record() {
        let now = Timestamp::EPOCH;
        assert_eq!(parse_at("@1042", now).unwrap(), At::Seq(Seq::new(1042)));
        assert!(parse_at("@", now).is_err());
    }
}
