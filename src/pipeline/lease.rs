//! The time limit of work in progress: since when, by which clock, and what is handed back.
//!
//! ```text
//!   elapsed on the boot clock     if both ends were read on the same boot; without the time that the machine slept,
//!                                 if the owner process is known to live: nobody works while the machine sleeps
//!   elapsed on the wall clock     if either end was given or imported, or the machine was started again
//!   0                             if that is negative
//!
//!   handed back   at once                    the recorded owner is dead, or its machine was started again
//!                 elapsed > limit            else; counted from the last sign of life, recorded or not
//! ```

mod standing;

use super::event::{Event, Owner, ResetCause};
use super::facts::Facts;
use super::item::Lease;
use super::time::{BootInstant, Now, Timestamp, human_duration};
use crate::position::Seq;

use standing::LastSign;
pub use standing::Standing;

/// How long a phase has been without a sign of life, and which clock says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// Microseconds.
    pub micros: u64,
    /// True if the boot clock decided, false if the wall clock did.
    pub by_boot_clock: bool,
}

/// What is known of work in progress beyond the records.
pub trait Evidence {
    /// Whether the process that was recorded as the owner still lives.
    fn owner(&self, owner: &Owner) -> Liveness;

    /// The last sign of life under that token that is no record.
    fn sign(&self, token: Seq) -> Option<&Sign>;
}

/// Nothing is known beyond the records.
#[derive(Clone, Copy, Debug)]
pub struct RecordsOnly;

impl Evidence for RecordsOnly {
    fn owner(&self, _: &Owner) -> Liveness {
        Liveness::Unknown
    }

    fn sign(&self, _: Seq) -> Option<&Sign> {
        None
    }
}

/// A sign of life that is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// Wall time.
    pub at: Timestamp,
    /// That time was given by the caller.
    pub wall_only: bool,
    /// The boot clock at the same moment.
    pub boot: Option<BootInstant>,
    /// How far the work is, in the worker's words.
    pub progress: Option<String>,
}

/// What can be proven about the owner of work in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It lives.
    Alive,
    /// It is gone; no other process can continue its work.
    Dead {
        /// Another process has its id now, started so many clock ticks after the boot.
        replaced_by: Option<u64>,
    },
    /// Its machine was started again since; this is its boot now.
    Rebooted {
        /// The id of the boot.
        boot: String,
    },
    /// Nothing can be proven from here.
    Unknown,
}

/// Where somebody stands who asks after an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// The host.
    pub host: String,
    /// Its boot, where the platform tells.
    pub boot: Option<String>,
    /// The pid namespace, where the platform has them.
    pub pidns: Option<String>,
}

/// What can be proven about an owner from here. `start_of` tells when the process with an id was started: `None` if that
/// cannot be seen, `Some(None)` if there is no such process.
pub fn liveness(
    owner: &Owner,
    here: &Here,
    start_of: impl FnOnce(u32) -> Option<Option<u64>>,
) -> Liveness {
    let Some(boot) = here.boot.as_ref().filter(|_| owner.host == here.host) else {
        return Liveness::Unknown;
    };
    if *boot != owner.boot {
        return Liveness::Rebooted { boot: boot.clone() };
    }
    if here.pidns.as_ref() != Some(&owner.pidns) {
        return Liveness::Unknown;
    }
    match start_of(owner.pid) {
        None => Liveness::Unknown,
        Some(None) => Liveness::Dead { replaced_by: None },
        Some(Some(start)) if start == owner.start => Liveness::Alive,
        Some(start) => Liveness::Dead { replaced_by: start },
    }
}

/// Measures from the lease's last sign of life to now.
pub fn elapsed(lease: &Lease, now: &Now) -> Elapsed {
    since(lease.at, lease.wall_only, lease.boot.as_ref(), now, false)
}

fn since(
    at: Timestamp,
    wall_only: bool,
    boot: Option<&BootInstant>,
    now: &Now,
    awake_only: bool,
) -> Elapsed {
    if let (false, false, Some(then), Some(here)) = (wall_only, now.given, boot, &now.boot)
        && then.boot == here.boot
    {
        let asleep = here.asleep_us.saturating_sub(then.asleep_us);
        let micros = here.micros.saturating_sub(then.micros);
        let micros = if awake_only {
            micros.saturating_sub(asleep)
        } else {
            micros
        };
        return Elapsed {
            micros,
            by_boot_clock: true,
        };
    }
    Elapsed {
        micros: now.at.micros_since(at),
        by_boot_clock: false,
    }
}

/// True if a sign of life counts: it is of this boot and not of the future. Of any other nothing is lost but time.
pub fn counts(sign: &Sign, now: &Now) -> bool {
    match (&sign.boot, &now.boot) {
        (Some(then), Some(here)) if then.boot != here.boot => false,
        (Some(then), Some(here)) if !sign.wall_only && !now.given => then.micros <= here.micros,
        _ => sign.at <= now.at,
    }
}

/// The resets that are due: one for each phase in progress whose owner is provably dead, or that is in progress for
/// strictly more than its limit since its start or last sign of life, with the evidence. `limit_override`, in
/// microseconds, stands for every limit of the plan.
///
/// Whoever records these holds the lock under which `facts` was read, so that each token still holds.
pub fn expired(
    facts: &dyn Facts,
    now: &Now,
    limit_override: Option<u64>,
    known: &dyn Evidence,
) -> Vec<Event> {
    let due = facts.in_progress().filter_map(|place| {
        let item = facts.item(place.item)?;
        let (plan, phase) = (
            &facts.plan().phases()[place.phase],
            &item.phases[place.phase],
        );
        let limit_us = limit_override.unwrap_or_else(|| plan.limit_micros());
        let standing = Standing::of(phase, limit_us, now, known)?;
        Some(Event::Reset {
            item: item.name.clone(),
            phase: plan.phase.clone(),
            token: phase.token,
            cause: standing.cause()?,
            elapsed_us: standing.elapsed().micros,
            limit_us,
            evidence: standing.evidence(now),
        })
    });
    due.collect()
}

/// True if the sign is newer than what is recorded: the lease then counts from it.
pub fn is_newer(sign: &Sign, lease: &Lease, now: &Now) -> bool {
    LastSign::of(lease, Some(sign), now, false).at != lease.at
}

/// Why a phase was handed back, in words.
pub fn words_of_reset(cause: ResetCause, elapsed_us: u64, limit_us: u64) -> String {
    match cause {
        ResetCause::Timeout => {
            let (elapsed, limit) = (human_duration(elapsed_us), human_duration(limit_us));
            if elapsed == limit {
                // What is over the limit is below what people care for, but it decided.
                let secs = elapsed_us as f64 / 1e6;
                format!("{secs:.6}s > {limit}")
            } else {
                format!("{elapsed} > {limit}")
            }
        }
        ResetCause::OwnerDead => "its owner process is gone".to_owned(),
        ResetCause::Reboot => "the machine was started again".to_owned(),
    }
}

#[cfg(test)]
mod tests;
