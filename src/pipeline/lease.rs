//! The time limit of work in progress: since when, by which clock, and what is handed back.
//!
//! ```text
//!   elapsed on the boot clock     if both ends were read on the same boot
//!   elapsed on the wall clock     if either end was given or imported, or the machine was started again
//!   0                             if that is negative
//! ```

use serde_json::json;

use super::event::{Event, ResetCause};
use super::item::{Lease, PhaseState, Status};
use super::json::Json;
use super::ready::Facts;
use super::time::Now;

/// How long a phase has been without a sign of life, and which clock says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// Microseconds.
    pub micros: u64,
    /// True if the boot clock decided, false if the wall clock did.
    pub by_boot_clock: bool,
}

/// Measures from the lease's last sign of life to now.
pub fn elapsed(lease: &Lease, now: &Now) -> Elapsed {
    if let (false, false, Some(then), Some(here)) =
        (lease.wall_only, now.given, &lease.boot, &now.boot)
        && then.boot == here.boot
    {
        let micros = here.micros.saturating_sub(then.micros);
        return Elapsed {
            micros,
            by_boot_clock: true,
        };
    }
    Elapsed {
        micros: now.at.micros_since(lease.at),
        by_boot_clock: false,
    }
}

/// True if the phase is in progress for strictly more than the limit.
pub fn is_stuck(phase: &PhaseState, limit_micros: u64, now: &Now) -> bool {
    phase
        .lease
        .as_deref()
        .is_some_and(|lease| elapsed(lease, now).micros > limit_micros)
}

/// The resets that are due: one for each phase in progress for strictly more than its limit since its start or last
/// sign of life, with the evidence. `limit_override`, in microseconds, stands for every limit of the plan.
///
/// Whoever records these holds the lock under which `facts` was read, so that each token still holds.
pub fn expired(facts: &dyn Facts, now: &Now, limit_override: Option<u64>) -> Vec<Event> {
    let due = facts.in_progress().filter_map(|place| {
        let item = facts.item(place.item)?;
        let (plan, phase) = (
            &facts.plan().phases()[place.phase],
            &item.phases[place.phase],
        );
        let lease = phase
            .lease
            .as_deref()
            .filter(|_| phase.status == Status::InProgress)?;
        let limit_us = limit_override.unwrap_or_else(|| plan.limit_micros());
        let elapsed = elapsed(lease, now);
        (elapsed.micros > limit_us).then(|| Event::Reset {
            item: item.name.clone(),
            phase: plan.phase.clone(),
            token: phase.token,
            cause: ResetCause::Timeout,
            elapsed_us: elapsed.micros,
            limit_us,
            evidence: evidence(phase, lease, elapsed, now),
        })
    });
    due.collect()
}

/// What the rule looked at, for whoever asks later.
fn evidence(phase: &PhaseState, lease: &Lease, elapsed: Elapsed, now: &Now) -> Json {
    let mut seen = serde_json::Map::new();
    seen.insert("last_sign_at".into(), json!(lease.at));
    seen.insert(
        "clock".into(),
        json!(if elapsed.by_boot_clock {
            "boot"
        } else {
            "wall"
        }),
    );
    if let (true, Some(then), Some(here)) = (elapsed.by_boot_clock, &lease.boot, &now.boot) {
        seen.insert("boot_us".into(), json!([then.micros, here.micros]));
    }
    if let Some(worker) = &phase.worker {
        seen.insert("worker".into(), json!(worker));
    }
    if phase.token.is_none() {
        seen.insert("imported".into(), json!(true));
    }
    Json::from_value(&seen.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::time::{BootInstant, Timestamp};

    const MINUTE: u64 = 60_000_000;

    #[expect(clippy::unnecessary_wraps, reason = "as the fields have it")]
    fn boot(id: &str, micros: u64) -> Option<BootInstant> {
        Some(BootInstant {
            boot: id.into(),
            micros,
        })
    }

    fn lease(at: i64, boot: Option<BootInstant>) -> Lease {
        Lease {
            at: Timestamp::from_micros(at).unwrap(),
            wall_only: false,
            boot,
            owner: None,
        }
    }

    fn now(at: i64, given: bool, boot: Option<BootInstant>) -> Now {
        Now {
            at: Timestamp::from_micros(at).unwrap(),
            given,
            boot,
        }
    }

    #[test]
    fn strictly_more_than_the_limit() {
        let limit = 30 * MINUTE;
        for (elapsed, stuck) in [(limit - 1, false), (limit, false), (limit + 1, true)] {
            let phase = PhaseState {
                status: Status::InProgress,
                lease: Some(Box::new(lease(0, None))),
                ..PhaseState::default()
            };
            let later = now(i64::try_from(elapsed).unwrap(), false, None);
            assert_eq!(is_stuck(&phase, limit, &later), stuck, "{elapsed}");
        }
    }

    #[test]
    fn the_boot_clock_decides_on_one_boot_and_the_wall_clock_otherwise() {
        let hour = 3_600_000_000_i64;
        let started = lease(hour, boot("a", 100));
        let cases = [
            (
                "wall set forward",
                now(9 * hour, false, boot("a", 300)),
                200,
                true,
            ),
            ("wall set back", now(0, false, boot("a", 300)), 200, true),
            (
                "another boot",
                now(2 * hour, false, boot("b", 300)),
                3_600_000_000,
                false,
            ),
            (
                "given time",
                now(2 * hour, true, boot("a", 300)),
                3_600_000_000,
                false,
            ),
            (
                "another boot, wall set back",
                now(0, false, boot("b", 300)),
                0,
                false,
            ),
        ];
        for (name, now, micros, by_boot_clock) in cases {
            assert_eq!(
                elapsed(&started, &now),
                Elapsed {
                    micros,
                    by_boot_clock
                },
                "{name}"
            );
        }
        let given = Lease {
            wall_only: true,
            ..started
        };
        let at = now(2 * hour, false, boot("a", 300));
        assert_eq!(
            elapsed(&given, &at).micros,
            3_600_000_000,
            "the start was given"
        );
    }
}
