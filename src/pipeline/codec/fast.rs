//! The payloads that this version writes most, read in the order in which it writes them.
//!
//! ```text
//! {"at":"2026-11-23T01:40:15.123456Z","event":"completed","item":"…","phase":"…","token":1040}
//! ```
//!
//! Recovery and the audit read millions of these. Whatever looks otherwise by one byte (another order, an escape, a field
//! that is not ours) is `None` here and goes the long way; both ways give the same record, which a test holds.

use crate::pipeline::event::{Event, Owner, Record};
use crate::pipeline::names::{ItemId, Phase};
use crate::pipeline::time::{BootInstant, Timestamp};
use crate::position::Seq;

/// Reads a payload; `None` if it is not one that can be read this way.
pub(super) fn decode(seq: Seq, payload: &str) -> Option<Record> {
    let mut rest = Rest(payload);
    let more = rest.eat("{\"more\":true,");
    rest.expect(if more { "\"at\":\"" } else { "{\"at\":\"" })?;
    let at = rest.time()?;
    let clock_given = rest.eat(",\"clock\":\"given\"");
    let kind = rest.text(",\"event\":\"")?;
    let item = ItemId::new(rest.text(",\"item\":\"")?).ok()?;
    let event = match kind {
        "added" | "held" | "unheld" => of_item(kind, item, &mut rest)?,
        _ => of_phase(kind, item, &mut rest)?,
    };
    (rest.0 == "}").then_some(Record {
        seq,
        at,
        clock_given,
        event,
    })
}

fn of_item(kind: &str, item: ItemId, rest: &mut Rest<'_>) -> Option<Event> {
    Some(match kind {
        "added" => Event::Added {
            item,
            id: rest.owned(",\"id\":\"")?,
            imported: None,
        },
        "held" => Event::Held {
            item,
            reason: rest.owned(",\"reason\":\"")?,
        },
        _ => Event::Unheld { item },
    })
}

fn of_phase(kind: &str, item: ItemId, rest: &mut Rest<'_>) -> Option<Event> {
    let phase = Phase::new(rest.text(",\"phase\":\"")?).ok()?;
    // The order is that of the fields of `Wire`; each is there or not.
    let token = rest.number(",\"token\":")?.map(Seq::new);
    let late = rest.eat(",\"late\":true");
    let op = rest.owned(",\"op\":\"")?;
    Some(match kind {
        "started" if token.is_none() && !late && op.is_none() => Event::Started {
            item,
            phase,
            worker: rest.owned(",\"worker\":\"")?,
            boot: rest.boot()?,
            owner: rest.owner()?,
        },
        "completed" => Event::Completed {
            item,
            phase,
            token,
            late,
            op,
            data: None,
            extraction: None,
        },
        "failed" => Event::Failed {
            item,
            phase,
            token,
            late,
            op,
            error: rest.owned(",\"error\":\"")??,
            permanent: rest.eat(",\"permanent\":true"),
            due: if rest.eat(",\"due\":\"") {
                Some(rest.time()?)
            } else {
                None
            },
        },
        "skipped" => Event::Skipped {
            item,
            phase,
            token,
            late,
            op,
            reason: rest.owned(",\"reason\":\"")?,
        },
        // What follows has none of these; a field too many is for the long way.
        _ if late || op.is_some() => return None,
        "released" => Event::Released { item, phase, token },
        "retried" if token.is_none() => Event::Retried { item, phase },
        "renewed" => Event::Renewed {
            item,
            phase,
            token,
            boot: rest.boot()?,
            progress: rest.owned(",\"progress\":\"")?,
        },
        "rejected" => Event::Rejected {
            item,
            phase,
            token,
            of: rest.owned(",\"of\":\"")??,
            code: rest.owned(",\"code\":\"")??,
        },
        _ => return None,
    })
}

/// What is left of a payload.
struct Rest<'p>(&'p str);

impl<'p> Rest<'p> {
    /// Passes over these bytes, if they are next.
    fn eat(&mut self, bytes: &str) -> bool {
        match self.0.strip_prefix(bytes) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, bytes: &str) -> Option<()> {
        self.eat(bytes).then_some(())
    }

    /// The text behind these bytes, which end with its quote.
    fn text(&mut self, before: &str) -> Option<&'p str> {
        self.expect(before)?;
        self.quoted()
    }

    /// As [`Rest::text`] if these bytes are next. The outer `None` is a text that cannot be read this way.
    #[expect(
        clippy::option_option,
        reason = "a field may be missing, and a text unreadable"
    )]
    fn owned(&mut self, before: &str) -> Option<Option<String>> {
        if !self.eat(before) {
            return Some(None);
        }
        self.quoted().map(|text| Some(text.to_owned()))
    }

    /// A text through its closing quote, without escapes.
    fn quoted(&mut self) -> Option<&'p str> {
        let end = memchr::memchr2(b'"', b'\\', self.0.as_bytes())?;
        let text = &self.0[..end];
        let plain = text.bytes().fold(u8::MAX, u8::min) >= 0x20;
        let rest = self.0[end..].strip_prefix('"')?;
        self.0 = rest;
        plain.then_some(text)
    }

    /// The number behind these bytes, if they are next, written as we write numbers.
    #[expect(
        clippy::option_option,
        reason = "a field may be missing, and a number unreadable"
    )]
    fn number(&mut self, before: &str) -> Option<Option<u64>> {
        if !self.eat(before) {
            return Some(None);
        }
        let bytes = self.0.as_bytes();
        let digits = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let fits = match bytes.get(..digits)? {
            [b'0'] => true,
            [] | [b'0', ..] => false,
            // Nineteen nines fit; what is longer is for the long way.
            _ => digits <= 19,
        };
        // A fraction or an exponent may follow.
        if !(fits && matches!(bytes.get(digits), Some(b',' | b'}'))) {
            return None;
        }
        let value = bytes[..digits]
            .iter()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        self.0 = &self.0[digits..];
        Some(Some(value))
    }

    /// A time as records have it, `2026-11-23T01:40:15.123456Z`, through its closing quote.
    fn time(&mut self) -> Option<Timestamp> {
        let text: &[u8; 28] = self.0.as_bytes().first_chunk()?;
        let ends = [
            (4, b'-'),
            (7, b'-'),
            (10, b'T'),
            (13, b':'),
            (16, b':'),
            (19, b'.'),
            (26, b'Z'),
            (27, b'"'),
        ];
        if ends.iter().any(|&(at, byte)| text[at] != byte) {
            return None;
        }
        let mut all_digits = true;
        let mut digits = |from: usize, to: usize| {
            text[from..to].iter().fold(0_i64, |value, byte| {
                let digit = byte.wrapping_sub(b'0');
                all_digits &= digit < 10;
                value * 10 + i64::from(digit)
            })
        };
        let (year, month, day) = (digits(0, 4), digits(5, 7), digits(8, 10));
        let (hour, minute, second) = (digits(11, 13), digits(14, 16), digits(17, 19));
        let micros = digits(20, 26);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let month_days = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let is_a_time = all_digits
            && (1..=12).contains(&month)
            && (1..=month_days).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !is_a_time {
            return None;
        }
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        self.0 = &self.0[text.len()..];
        Timestamp::from_micros(seconds * 1_000_000 + micros)
    }

    #[expect(
        clippy::option_option,
        reason = "a field may be missing, and its parts unreadable"
    )]
    fn boot(&mut self) -> Option<Option<BootInstant>> {
        let Some(boot) = self.owned(",\"boot\":\"")? else {
            return Some(None);
        };
        let micros = self.number(",\"boot_us\":")??;
        let asleep_us = self.number(",\"asleep_us\":")?.unwrap_or(0);
        Some(Some(BootInstant {
            boot,
            micros,
            asleep_us,
        }))
    }

    #[expect(
        clippy::option_option,
        reason = "a field may be missing, and its parts unreadable"
    )]
    fn owner(&mut self) -> Option<Option<Owner>> {
        if !self.eat(",\"owner\":{\"host\":\"") {
            return Some(None);
        }
        let owner = Owner {
            host: self.quoted()?.to_owned(),
            boot: self.owned(",\"boot\":\"")??,
            pidns: self.owned(",\"pidns\":\"")??,
            pid: u32::try_from(self.number(",\"pid\":")??).ok()?,
            start: self.number(",\"start\":")??,
        };
        self.expect("}")?;
        Some(Some(owner))
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, as in Howard Hinnant's "chrono-Compatible Low-Level Date
/// Algorithms". The year is not negative.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{encode, slow};
    use super::*;

    /// What the fast way reads, the long way reads as the same.
    fn same(payload: &str) -> bool {
        let fast = decode(Seq::new(7), payload);
        if let Some(fast) = &fast {
            assert_eq!(Ok(fast), slow(Seq::new(7), payload).as_ref(), "{payload}");
        }
        fast.is_some()
    }

    const GOLDEN: &str = include_str!("../golden_payloads.jsonl");

    /// The kinds that make up nearly all of a log.
    fn plain() -> impl Iterator<Item = &'static str> {
        let kinds = [
            "started",
            "renewed",
            "completed",
            "skipped",
            "released",
            "retried",
            "held",
            "unheld",
            "rejected",
        ];
        let is_plain = move |line: &&str| {
            kinds
                .iter()
                .any(|kind| line.contains(&format!("\"event\":\"{kind}\"")))
                && !line.contains("\"data\":")
                && !line.contains("\"edit\":")
        };
        GOLDEN.lines().filter(is_plain)
    }

    #[test]
    fn plain_payloads_are_read_the_fast_way() {
        for line in plain() {
            assert!(same(line), "{line}");
            assert!(same(&line.replacen('{', "{\"more\":true,", 1)), "{line}");
        }
        GOLDEN.lines().for_each(|line| {
            same(line);
        });
    }

    #[test]
    fn every_change_of_one_byte_is_read_the_same_or_not_at_all() {
        let bytes = b"\"\\{}[]:,.0129-+eEtrufalsn \tZT\x7f";
        for line in GOLDEN.lines() {
            for at in (0..line.len())
                .filter(|&at| line.is_char_boundary(at) && line.is_char_boundary(at + 1))
            {
                let (before, behind) = (&line[..at], &line[at + 1..]);
                same(&format!("{before}{behind}"));
                same(before);
                for &byte in bytes {
                    let byte = char::from(byte);
                    same(&format!("{before}{byte}{behind}"));
                    same(&format!("{before}{byte}{}", &line[at..]));
                }
            }
        }
    }

    #[test]
    fn fields_in_another_order_twice_or_missing_are_read_the_same_or_not_at_all() {
        for line in GOLDEN.lines() {
            let fields: Vec<&str> = line[1..line.len() - 1].split(",\"").collect();
            for one in 0..fields.len() {
                for other in 0..fields.len() {
                    let mut moved = fields.clone();
                    moved.swap(one, other);
                    same(&format!("{{{}}}", moved.join(",\"")));
                    let mut twice = fields.clone();
                    twice.insert(other, fields[one]);
                    same(&format!("{{{}}}", twice.join(",\"")));
                }
                let mut fewer = fields.clone();
                fewer.remove(one);
                same(&format!("{{{}}}", fewer.join(",\"")));
            }
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[ -~]{1,12}", "[a-zäß\\\\\"\n\t\u{1}\u{7f}€🏠]{1,8}"]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_either_way(
            micros in -62_167_219_200_000_000_i64..=253_402_300_799_999_999,
            given in any::<bool>(),
            (item, word, other) in (text(), text(), text()),
            (number, small) in (any::<u64>(), 0_u64..1_000),
            (some, late) in (any::<bool>(), any::<bool>()),
            which in 0..6,
        ) {
            let item = ItemId::new(&item).unwrap();
            let phase = Phase::new("phase1_listing").unwrap();
            let token = some.then_some(Seq::new(number));
            let op = late.then(|| other.clone());
            let boot = some.then(|| BootInstant { boot: other.clone(), micros: number, asleep_us: small });
            let at = Timestamp::from_micros(micros).unwrap();
            let event = match which {
                0 => Event::Started {
                    item, phase, worker: late.then(|| word.clone()), boot,
                    owner: some.then(|| Owner { host: word, boot: other, pidns: "1".to_owned(), pid: 7, start: number }),
                },
                1 => Event::Completed { item, phase, token, late, op, data: None, extraction: None },
                2 => Event::Failed { item, phase, token, late, op, error: word, permanent: some, due: some.then_some(at) },
                3 => Event::Skipped { item, phase, token, late, op, reason: Some(word) },
                4 => Event::Renewed { item, phase, token, boot, progress: Some(word) },
                _ => Event::Added { item, id: some.then_some(word), imported: None },
            };
            let payload = encode(&event, at, given);
            same(&payload);
            let read = super::super::decode(Seq::new(7), &payload).unwrap();
            prop_assert_eq!(&read.event, &event);
            prop_assert_eq!((read.at, read.clock_given), (at, given));
        }

        #[test]
        fn times_read_as_chrono_reads_them(year in 0..10_000, month in 0..14, day in 0..33, hour in 0..26, minute in 0..62, second in 0..62) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000001Z");
            let quoted = format!("{text}\"");
            if let Some(time) = Rest(&quoted).time() {
                prop_assert_eq!(Ok(time), Timestamp::parse_rfc3339(&text));
            } else {
                // A leap second is a time that only the long way knows.
                prop_assert!(second == 60 || Timestamp::parse_rfc3339(&text).is_err());
            }
        }
    }
}
