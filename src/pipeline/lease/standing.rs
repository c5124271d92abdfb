//! How one piece of work in progress stands with its limit: its last sign of life, its owner, when it is handed back.

use serde_json::{Value, json};

use super::{Elapsed, Evidence, Liveness, Sign, counts, since, words_of_reset};
use crate::pipeline::event::{Owner, ResetCause};
use crate::pipeline::item::{Lease, PhaseState};
use crate::pipeline::json::Json;
use crate::pipeline::status::Status;
use crate::pipeline::time::{BootInstant, Now, Timestamp, human_duration};

/// The newest sign of life, recorded or not.
#[derive(Clone, Debug)]
pub(super) struct LastSign<'a> {
    pub(super) elapsed: Elapsed,
    pub(super) at: Timestamp,
    boot: Option<&'a BootInstant>,
}

impl<'a> LastSign<'a> {
    pub(super) fn of(
        lease: &'a Lease,
        sign: Option<&'a Sign>,
        now: &Now,
        awake_only: bool,
    ) -> Self {
        let measure = |at, wall_only, boot: &'a Option<BootInstant>| Self {
            elapsed: since(at, wall_only, boot.as_ref(), now, awake_only),
            at,
            boot: boot.as_ref(),
        };
        let recorded = measure(lease.at, lease.wall_only, &lease.boot);
        let sign = sign.filter(|sign| counts(sign, now));
        match sign.map(|sign| measure(sign.at, sign.wall_only, &sign.boot)) {
            Some(newer) if newer.elapsed.micros < recorded.elapsed.micros => newer,
            _ => recorded,
        }
    }
}

/// How a phase in progress stands with its limit, at a moment.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    phase: &'a PhaseState,
    last: LastSign<'a>,
    limit_us: u64,
    owner: Option<(&'a Owner, Liveness)>,
    asleep_us: u64,
    progress: Option<&'a str>,
}

impl<'a> Standing<'a> {
    /// How the phase stands; `None` if it is not in progress. `limit_us` is in microseconds.
    pub fn of(
        phase: &'a PhaseState,
        limit_us: u64,
        now: &Now,
        known: &'a dyn Evidence,
    ) -> Option<Self> {
        let lease = phase
            .lease
            .as_deref()
            .filter(|_| phase.status == Status::InProgress)?;
        let owner = lease
            .owner
            .as_ref()
            .map(|owner| (owner, known.owner(owner)));
        let sign = phase.token.and_then(|token| known.sign(token));
        let alive = owner
            .as_ref()
            .is_some_and(|(_, found)| *found == Liveness::Alive);
        let last = LastSign::of(lease, sign, now, alive);
        let asleep_us = match (last.boot, &now.boot) {
            (Some(then), Some(here)) if last.elapsed.by_boot_clock => {
                here.asleep_us.saturating_sub(then.asleep_us)
            }
            _ => 0,
        };
        let said = sign.and_then(|sign| sign.progress.as_deref());
        Some(Self {
            phase,
            last,
            limit_us,
            owner,
            asleep_us,
            progress: said.or(lease.progress.as_deref()),
        })
    }

    /// Since the last sign of life; without the time that the machine slept, if the owner is known to live.
    pub fn elapsed(&self) -> Elapsed {
        self.last.elapsed
    }

    /// The last sign of life, by the wall clock.
    pub fn last_sign_at(&self) -> Timestamp {
        self.last.at
    }

    /// How long the phase may be without one, in microseconds.
    pub fn limit_us(&self) -> u64 {
        self.limit_us
    }

    /// How far the work is, in the words of its worker.
    pub fn progress(&self) -> Option<&'a str> {
        self.progress
    }

    /// The recorded owner, and what can be proven about it.
    pub fn owner(&self) -> Option<(&'a Owner, &Liveness)> {
        self.owner.as_ref().map(|(owner, found)| (*owner, found))
    }

    /// The rule by which the next `resume`, `claim` or `run` hands it back; `None` if none does.
    pub fn cause(&self) -> Option<ResetCause> {
        match self.owner {
            Some((_, Liveness::Dead { .. })) => Some(ResetCause::OwnerDead),
            Some((_, Liveness::Rebooted { .. })) => Some(ResetCause::Reboot),
            _ if self.last.elapsed.micros > self.limit_us => Some(ResetCause::Timeout),
            _ => None,
        }
    }

    /// When it is handed back if nothing more is heard of it: now, or when the limit is over.
    pub fn handed_back_at(&self, now: &Now) -> Timestamp {
        let left = match self.cause() {
            Some(_) => 0,
            None => self.limit_us.saturating_sub(self.last.elapsed.micros),
        };
        now.at.plus_micros(left)
    }

    /// Why the next `resume` hands it back, in words.
    pub fn why_handed_back(&self) -> Option<String> {
        let (elapsed, limit) = (self.last.elapsed.micros, self.limit_us);
        Some(words_of_reset(self.cause()?, elapsed, limit))
    }

    /// Microseconds that the machine slept since the last sign of life and that do not count, for the owner lives.
    pub fn asleep_not_counted_us(&self) -> u64 {
        match self.owner {
            Some((_, Liveness::Alive)) => self.asleep_us,
            _ => 0,
        }
    }

    /// What there is to know beside the limit, in words: about the owner, and about what the machine did.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        if let Some((owner, found)) = self.owner() {
            let pid = owner.pid;
            words.push(match found {
                Liveness::Alive => format!("its owner lives (pid {pid})"),
                Liveness::Dead { replaced_by: None } => format!("there is no pid {pid} any more"),
                Liveness::Dead {
                    replaced_by: Some(_),
                } => format!("pid {pid} is another process now"),
                Liveness::Rebooted { .. } => {
                    format!("its owner was pid {pid} of the boot before")
                }
                Liveness::Unknown => {
                    format!(
                        "whether its owner lives cannot be told from here (pid {pid} on {})",
                        owner.host
                    )
                }
            });
        }
        let asleep = self.asleep_not_counted_us();
        if asleep > 0 {
            let asleep = human_duration(asleep);
            words.push(format!(
                "the machine slept {asleep} meanwhile, which does not count"
            ));
        }
        words.join(", ")
    }

    /// What the rule looked at, for whoever asks later.
    pub fn evidence(&self, now: &Now) -> Json {
        Json::from_value(&self.evidence_value(now))
    }

    /// The same, as a value.
    pub fn evidence_value(&self, now: &Now) -> Value {
        let mut seen = serde_json::Map::new();
        let clock = if self.last.elapsed.by_boot_clock {
            "boot"
        } else {
            "wall"
        };
        seen.insert("last_sign_at".into(), json!(self.last.at));
        seen.insert("clock".into(), json!(clock));
        if let (true, Some(then), Some(here)) =
            (self.last.elapsed.by_boot_clock, self.last.boot, &now.boot)
        {
            seen.insert("boot_us".into(), json!([then.micros, here.micros]));
            if self.asleep_us > 0 {
                seen.insert("asleep_us".into(), json!(self.asleep_us));
            }
        }
        if let Some(worker) = &self.phase.worker {
            seen.insert("worker".into(), json!(worker));
        }
        if let Some((owner, found)) = &self.owner {
            seen.insert("owner".into(), json!(owner));
            let found = match found {
                Liveness::Alive => json!("alive"),
                Liveness::Dead { replaced_by: None } => json!("gone"),
                Liveness::Dead {
                    replaced_by: Some(start),
                } => json!({"start": start}),
                Liveness::Rebooted { boot } => json!({"boot": boot}),
                Liveness::Unknown => json!("unknown"),
            };
            seen.insert("found".into(), found);
        }
        if self.phase.token.is_none() {
            seen.insert("imported".into(), json!(true));
        }
        seen.into()
    }
}
