//! The times of the records: among themselves, against the boot clock, and against now. The order of records is never
//! theirs, so none of this hurts the log; time limits and people go by them.

use std::path::Path;

use crate::pipeline::time::human_duration;
use crate::pipeline::{BootInstant, Event, Now, Record, Timestamp, codec};
use crate::ports::Ports;
use crate::position::Seq;

use super::super::records::{self, Found, Ground};
use super::super::{Options, View};
use super::Finding;

/// Clocks that differ by less say the same: they are read one after the other.
const NOTICED_US: u64 = 60_000_000;

/// What the records say about the clock.
#[derive(Default)]
struct Times {
    /// The record before that was timed by a clock.
    before: Option<(Seq, Timestamp)>,
    /// How often a record is older than the one before, the first of them, and by how much the worst is.
    backwards: Option<(u64, Seq, u64)>,
    /// The last record of this boot for which the wall clock and the boot clock do not agree with now, and by how much.
    set: Option<(Seq, u64)>,
}

/// Walks the log once.
pub(super) fn look(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    view: &View,
    findings: &mut Vec<Finding>,
) {
    let now = ports.clock.now();
    if now.boot.is_none() {
        findings.push(Finding::note("D-NO-BOOT-CLOCK", "clock").saying(
            "this platform has no clock that nobody sets; time limits rest on the wall clock alone",
        ).advice("keep the wall clock right (NTP)"));
    }
    let mut times = Times::default();
    let walked = Ground::open(ports, dir, options).and_then(|ground| {
        records::walk(
            ports,
            dir,
            options,
            &ground,
            view.last_seq(),
            &mut |found| {
                if let Found::Record(raw) = found
                    && let Ok(record) = codec::decode(raw.seq, raw.payload)
                {
                    times.note(&record, &now);
                }
                true
            },
        )
    });
    if let Err(error) = walked {
        findings.push(
            Finding::warning("D-UNREADABLE", "wal")
                .saying(error.to_string())
                .then("verify", &[]),
        );
        return;
    }
    if let Some((count, first, worst)) = times.backwards {
        findings.push(Finding::note("D-CLOCK-BACK", "clock").saying(format!(
            "{count} records are older than the one before, the first is {first}, the worst by {}: the clock was set back; the order is that of the records",
            human_duration(worst)
        )).advice("nothing, if the clock is right now: the order of the records stands"));
    }
    if let Some((seq, by)) = times.set {
        findings.push(Finding::note("D-CLOCK-SET", "clock").saying(format!(
            "since record {seq} the wall clock was set by {}: it and the time since the boot do not agree",
            human_duration(by)
        )).advice("look whether the clock is right now; time limits go by the time since the boot"));
    }
    if let Some((seq, at)) = times.before.filter(|(_, at)| now.at < *at) {
        let by = human_duration(at.micros_since(now.at));
        findings.push(
            Finding::warning("D-FUTURE", "clock")
                .saying(format!(
                    "record {seq} was written {by} from now: this machine's clock is behind"
                ))
                .advice("set the clock"),
        );
    }
}

impl Times {
    fn note(&mut self, record: &Record, now: &Now) {
        // A given time says nothing about any clock.
        if record.clock_given || now.given {
            return;
        }
        let (seq, at) = (record.seq, record.at);
        if let Some((_, before)) = self.before
            && before > at
        {
            let by = before.micros_since(at);
            self.backwards = Some(match self.backwards {
                None => (1, seq, by),
                Some((count, first, worst)) => (count + 1, first, worst.max(by)),
            });
        }
        self.before = Some((seq, at));
        let (Event::Started { boot, .. } | Event::Renewed { boot, .. }) = &record.event else {
            return;
        };
        if let (Some(then), Some(boot)) = (boot, &now.boot)
            && then.boot == boot.boot
        {
            let by = disagreement(at, then, now.at, boot);
            self.set = (by > NOTICED_US).then_some((seq, by)).or(self.set);
        }
    }
}

/// By how many microseconds more went by on one clock than on the other.
fn disagreement(at: Timestamp, then: &BootInstant, now: Timestamp, boot: &BootInstant) -> u64 {
    let wall = now.micros() - at.micros();
    let since_boot = i64::try_from(boot.micros).unwrap_or(i64::MAX)
        - i64::try_from(then.micros).unwrap_or(i64::MAX);
    wall.abs_diff(since_boot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{ItemId, Phase};

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_micros(secs * 1_000_000).unwrap()
    }

    fn boot(secs: u64) -> BootInstant {
        BootInstant {
            boot: "b".into(),
            micros: secs * 1_000_000,
            asleep_us: 0,
        }
    }

    fn started(seq: u64, secs: i64, since_boot: u64) -> Record {
        Record {
            seq: Seq::new(seq),
            at: at(secs),
            clock_given: false,
            event: Event::Started {
                item: ItemId::new("a").unwrap(),
                phase: Phase::new("p").unwrap(),
                worker: None,
                boot: Some(boot(since_boot)),
                owner: None,
            },
        }
    }

    #[test]
    fn a_clock_that_was_set_back_shows_in_both_ways() {
        let now = Now {
            at: at(5_000),
            given: false,
            boot: Some(boot(300)),
        };
        let mut times = Times::default();
        for record in [
            started(2, 8_600, 290),
            started(3, 8_605, 295),
            started(4, 4_999, 299),
        ] {
            times.note(&record, &now);
        }
        assert_eq!(times.backwards, Some((1, Seq::new(4), 3_606_000_000)));
        assert_eq!(times.set, Some((Seq::new(3), 3_610_000_000)));
    }

    #[test]
    fn a_clock_that_goes_as_it_should_is_no_finding() {
        let now = Now {
            at: at(5_000),
            given: false,
            boot: Some(boot(300)),
        };
        let mut times = Times::default();
        times.note(&started(2, 4_900, 200), &now);
        times.note(&started(3, 4_950, 251), &now);
        assert_eq!((times.backwards, times.set), (None, None));
    }
}
