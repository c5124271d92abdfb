//! The state at a glance: how many stand where, what runs, how fast it goes and how long it will take.
//!
//! One pass over the items. The pace is counted in minutes, of which the last day's are kept. How long it will take comes
//! from how long each phase took; where a phase that is left was never completed, from the pace.

use std::collections::HashMap;

use super::estimate::{Estimate, Gathered};
use super::facts::{Facts, Place};
use super::lease::{Evidence, Standing};
use super::ready::{Counts, Reason};
use super::status::Status;
use super::time::{MICROS_PER_SEC, Now, Timestamp};
use super::typical;

/// How many phases in progress are told one by one.
pub const RUNNING_TOLD: usize = 100;

/// The windows for the pace, in hours: the first with enough completed phases in it counts, else the last.
const WINDOWS_HOURS: [u64; 3] = [1, 6, 24];

/// How many completed phases make a pace that can be believed.
const ENOUGH: u64 = 10;

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// Everything that `status` says about the items.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// How many stand where.
    pub counts: Counts,
    /// What is in progress, the stuck and the longest first; at most [`RUNNING_TOLD`].
    pub running: Vec<Running>,
    /// How many phases are in progress.
    pub running_total: usize,
    /// Phases that will be done without a person's help.
    pub remaining: usize,
    /// How fast phases were completed when work was last done.
    pub pace: Option<Pace>,
    /// How long what remains takes, from how long the phases took before.
    pub estimate: Estimate,
    /// Nobody is at work: nothing is in progress, and the last phase was completed long ago.
    pub idle: bool,
    /// Seconds until what remains is done: by the estimate, else at that pace; `None` where nobody is at work or nothing
    /// is known.
    pub eta_secs: Option<u64>,
}

/// A phase in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Which.
    pub place: Place,
    /// Microseconds without a sign of life.
    pub elapsed_us: u64,
    /// The last sign of life.
    pub last_sign_at: Option<Timestamp>,
    /// The next `resume` hands it back.
    pub stuck: bool,
}

/// How fast phases are completed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Completed phases per hour.
    pub per_hour: f64,
    /// How many were completed.
    pub completed: u64,
    /// In how many microseconds.
    pub span_us: u64,
    /// When the last phase was completed.
    pub last: Timestamp,
    /// How many were in progress at a time.
    pub parallel: f64,
}

/// Looks at every item once. `known` is what is known beyond the records.
pub fn overview(facts: &dyn Facts, now: &Now, known: &dyn Evidence) -> Overview {
    let plan = facts.plan();
    let mut counts = Counts::default();
    counts
        .phases
        .resize_with(plan.phases().len(), Default::default);
    let (mut pace, mut running) = (PaceMeter::default(), Vec::new());
    let mut gathered = Gathered::new(plan.phases().len());
    for (index, item) in (0..facts.item_count()).filter_map(|i| Some((i, facts.item(i)?))) {
        let mut reasons = Vec::with_capacity(item.phases.len());
        counts.take(plan, &item, now, known, &mut |phase, reason| {
            let state = &item.phases[phase];
            let limit_us = plan.phases()[phase].limit_micros();
            if let Some(standing) = Standing::of(state, limit_us, now, known) {
                running.push(Running {
                    place: Place { item: index, phase },
                    elapsed_us: standing.elapsed().micros,
                    last_sign_at: Some(standing.last_sign_at()),
                    stuck: *reason == Reason::Stuck,
                });
            }
            reasons.push((reason.clone(), typical::ran_us(state, now.at)));
            gathered.history(phase, state);
            if let (Status::Completed, Some(at)) = (state.status, state.completed_at) {
                pace.note(at, state.started_at, now.at);
            }
        });
        gathered.left(&reasons);
    }
    let remaining = gathered.remaining();
    let running_total = running.len();
    running.sort_by_key(|run| (!run.stuck, std::cmp::Reverse(run.elapsed_us), run.place));
    running.truncate(RUNNING_TOLD);
    let pace = pace.read();
    let idle = is_idle(running_total, pace, now.at);
    let parallel = match running_total - counts.stuck.min(running_total) {
        0 => at_a_time(pace),
        running => running,
    };
    let estimate = gathered.estimate(plan, parallel);
    let eta_secs = match &estimate.times {
        _ if remaining == 0 => Some(0),
        _ if idle => None,
        Some(times) => Some(times.median_us.div_ceil(MICROS_PER_SEC)),
        None => secs_at(pace, remaining),
    };
    Overview {
        counts,
        running,
        running_total,
        remaining,
        pace,
        estimate,
        idle,
        eta_secs,
    }
}

/// Where nothing is in progress and nothing was completed for an hour, or the span of the pace, nobody works, and no end
/// is in sight.
fn is_idle(running: usize, pace: Option<Pace>, now: Timestamp) -> bool {
    running == 0
        && pace.is_none_or(|pace| {
            now.micros_since(pace.last) > pace.span_us.max(3_600 * MICROS_PER_SEC)
        })
}

/// How many were in progress at a time when work was last done, as a whole number; at least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and `as` stays at the largest number"
)]
fn at_a_time(pace: Option<Pace>) -> usize {
    pace.map_or(1, |pace| pace.parallel.round().max(1.0) as usize)
}

/// Seconds for `remaining` phases at this pace.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and `as` stays at the largest number"
)]
fn secs_at(pace: Option<Pace>, remaining: usize) -> Option<u64> {
    let pace = pace.filter(|pace| pace.per_hour > 0.0)?;
    Some((remaining as f64 / pace.per_hour * 3_600.0).ceil() as u64)
}

/// Counts completed phases by the minute.
#[derive(Debug, Default)]
struct PaceMeter {
    minutes: HashMap<i64, Minute>,
    newest: Option<i64>,
}

#[derive(Debug)]
struct Minute {
    completed: u64,
    /// The earliest start of a phase completed in it, and the latest completion.
    first: i64,
    last: i64,
    /// The time from start to completion of all of them together, in microseconds.
    busy: i64,
}

impl PaceMeter {
    /// Takes note of a completed phase. A time that lies ahead of now is some other clock's and says nothing.
    fn note(&mut self, completed: Timestamp, started: Option<Timestamp>, now: Timestamp) {
        const KEPT: i64 = 24 * 60;
        let (end, minute) = (
            completed.micros(),
            completed.micros().div_euclid(MICROS_PER_MINUTE),
        );
        let newest = self.newest.unwrap_or(minute);
        if completed > now || minute <= newest - KEPT {
            return;
        }
        if minute > newest || self.newest.is_none() {
            self.newest = Some(minute);
            if self.minutes.len() > 4 * 24 * 60 {
                self.minutes.retain(|&kept, _| kept > minute - KEPT);
            }
        }
        let begin = started.map_or(end, Timestamp::micros).min(end);
        let entry = self.minutes.entry(minute);
        let of_minute = entry.or_insert(Minute {
            completed: 0,
            first: begin,
            last: end,
            busy: 0,
        });
        of_minute.completed += 1;
        of_minute.first = of_minute.first.min(begin);
        of_minute.last = of_minute.last.max(end);
        of_minute.busy = of_minute.busy.saturating_add(end - begin);
    }

    fn read(&self) -> Option<Pace> {
        let newest = self.newest?;
        let mut best = None;
        for window_hours in WINDOWS_HOURS {
            let after = newest - i64::try_from(window_hours).ok()? * 60;
            let inside = self.minutes.iter().filter(|&(&minute, _)| minute > after);
            let (mut completed, mut first, mut last, mut busy) = (0, i64::MAX, i64::MIN, 0_i64);
            for (_, minute) in inside {
                completed += minute.completed;
                (first, last) = (first.min(minute.first), last.max(minute.last));
                busy = busy.saturating_add(minute.busy);
            }
            let begin = first.max((after + 1) * MICROS_PER_MINUTE);
            // A few phases within moments make no pace of thousands an hour.
            let span_us = (last - begin).max(MICROS_PER_MINUTE);
            best = Some(Pace {
                per_hour: completed as f64 * 3_600e6 / span_us as f64,
                completed,
                span_us: u64::try_from(span_us).ok()?,
                last: Timestamp::from_micros(last)?,
                parallel: busy as f64 / span_us as f64,
            });
            if completed >= ENOUGH {
                break;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: i64) -> Timestamp {
        Timestamp::from_micros(minutes * MICROS_PER_MINUTE).unwrap()
    }

    fn pace_of(completed: impl IntoIterator<Item = (i64, i64)>, now: i64) -> Option<Pace> {
        let mut meter = PaceMeter::default();
        for (started, ended) in completed {
            meter.note(minutes(ended), Some(minutes(started)), minutes(now));
        }
        meter.read()
    }

    #[test]
    fn the_last_hour_counts_if_it_has_enough() {
        // One a minute for five hours, then one every three minutes for an hour.
        let fast = (0..300).map(|minute| (minute, minute + 1));
        let slow = (0..20).map(|turn| (300 + 3 * turn, 303 + 3 * turn));
        let pace = pace_of(fast.chain(slow), 400).unwrap();
        assert_eq!(pace.completed, 20);
        assert!((pace.per_hour - 20.0).abs() < 1.0, "{pace:?}");
        assert_eq!(pace.last, minutes(360));
    }

    #[test]
    fn a_slow_pipeline_is_measured_over_more_hours() {
        let pace = pace_of((0..12).map(|turn| (30 * turn, 30 * (turn + 1))), 400).unwrap();
        assert_eq!(pace.completed, 12);
        assert!((pace.per_hour - 2.0).abs() < 0.1, "{pace:?}");
    }

    #[test]
    fn order_does_not_matter_and_the_future_says_nothing() {
        let turns: Vec<(i64, i64)> = (0..50).map(|minute| (minute, minute + 1)).collect();
        let there = pace_of(turns.iter().copied(), 60);
        assert_eq!(there, pace_of(turns.iter().rev().copied(), 60));
        assert_eq!(
            there,
            pace_of(turns.iter().copied().chain([(60, 999_999)]), 60)
        );
        assert_eq!(pace_of([], 0), None);
    }

    #[test]
    fn a_burst_is_no_pace_of_thousands() {
        let pace = pace_of([(5, 5), (5, 5)], 10).unwrap();
        assert!((pace.per_hour - 120.0).abs() < 1e-9, "{pace:?}");
    }

    #[test]
    fn no_end_is_in_sight_where_nobody_works() {
        let pace = Some(Pace {
            per_hour: 40.0,
            completed: 40,
            span_us: 3_600_000_000,
            last: minutes(100),
            parallel: 2.6,
        });
        assert!(!is_idle(0, pace, minutes(110)));
        assert!(is_idle(0, pace, minutes(500)));
        assert!(!is_idle(2, pace, minutes(500)));
        assert!(!is_idle(2, None, minutes(500)) && is_idle(0, None, minutes(500)));
        assert_eq!(secs_at(pace, 60), Some(5_400));
        assert_eq!(secs_at(None, 60), None);
        assert_eq!((at_a_time(pace), at_a_time(None)), (3, 1));
    }

    #[test]
    fn how_many_work_at_a_time_shows_in_what_they_did() {
        // Four side by side, each five minutes, for an hour.
        let turns = (0..12).flat_map(|turn| [(5 * turn, 5 * turn + 5); 4]);
        let pace = pace_of(turns, 60).unwrap();
        assert!((pace.parallel - 4.0).abs() < 0.5, "{pace:?}");
    }
}
