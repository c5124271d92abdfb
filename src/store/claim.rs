//! The next pieces of work, and signs of life for those that are taken.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::pipeline::claim::{self, Claim};
use crate::pipeline::lease::{self, Sign};
use crate::pipeline::{
    Event, Facts, Item, Now, Phase, PhaseState, Place, Record, Rejection, decide,
};
use crate::ports::Ports;
use crate::position::Seq;

use super::append::{self, Transact, Verdict};
use super::known::Known;
use super::records::{self, Found, Ground};
use super::{Store, heartbeats};

/// What a claim came to. All of it is durable.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// Phases handed back first, each by its own record.
    pub resets: Vec<Record>,
    /// The starts; the seq of each is its token. Or why there is none.
    pub started: std::result::Result<Vec<Record>, Rejection>,
}

/// What a sign of life came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// The item.
    pub item: crate::pipeline::ItemId,
    /// The phase.
    pub phase: Phase,
    /// The record, if it was worth one.
    pub record: Option<Record>,
    /// How long the work may now go on without another.
    pub limit_us: u64,
}

/// The shortest and the longest time between two looks of a waiting claim.
pub const POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

impl Store {
    /// Hands back what expired, as [`Store::resume`] does, and starts the first phases that are then ready, all in one
    /// record or group, decided under the lock: no piece of work is ever given to two.
    ///
    /// # Errors
    /// As [`Store::submit`]. That nothing is ready is no error: the resets may be recorded all the same.
    pub fn claim(&mut self, wanted: &Claim) -> Result<Claimed> {
        let (ports, dir) = (self.ports.clone(), self.dir.clone());
        claim(self, &ports, &dir, wanted)
    }

    /// As [`Store::claim`], again and again until something is ready, nothing ever will be, or `patience` is over (no end
    /// if it is `None`). `told` hears of each attempt that recorded resets and found nothing.
    ///
    /// # Errors
    /// As [`Store::claim`].
    pub fn claim_or_wait(
        &mut self,
        wanted: &Claim,
        patience: Option<Duration>,
        told: &mut dyn FnMut(&[Record]),
    ) -> Result<Claimed> {
        let (ports, dir) = (self.ports.clone(), self.dir.clone());
        claim_or_wait(self, &ports, &dir, wanted, patience, told)
    }

    /// A sign of life for the work of that token, with how far it is. Recorded once in a third of the limit; between
    /// that it stands in a file that is not synced, and whose loss makes a reset earlier.
    ///
    /// # Errors
    /// [`Rejection::StaleToken`] if the token no longer holds, which is recorded once for each token;
    /// [`Rejection::NotAToken`] if it never was one; else as [`Store::submit`].
    pub fn heartbeat(&mut self, token: Seq, progress: Option<&str>) -> Result<Beat> {
        let (ports, dir) = (self.ports.clone(), self.dir.clone());
        match heartbeat(self, &ports, &dir, token, progress)? {
            Some(beat) => Ok(beat),
            None => Err(self.refuse_beat(token)?.into()),
        }
    }

    /// Says why a sign of life is refused, and writes it down the first time. A token that does not hold never will again.
    pub(super) fn refuse_beat(&mut self, token: Seq) -> Result<Rejection> {
        let rejection = self.why_not_held(token)?;
        append::transact(self, |state, _| {
            let recorded = rejection.to_be_recorded(state).into_iter().collect();
            Verdict::Append(recorded, ())
        })?;
        Ok(rejection)
    }

    /// What became of a token that does not hold.
    fn why_not_held(&self, token: Seq) -> Result<Rejection> {
        let not_a_token = |what: String| Ok(Rejection::NotAToken { token, what });
        let last = self.state.last_seq;
        if token == Seq::NONE || token > last {
            return not_a_token(format!("the last record is {last}"));
        }
        let mut found = None;
        let ground = Ground::open(&self.ports, &self.dir, &self.options)?;
        records::walk(
            &self.ports,
            &self.dir,
            &self.options,
            &ground,
            token,
            &mut |record| match record {
                Found::Record(raw) if raw.seq == token => {
                    found = Some(crate::pipeline::codec::decode(raw.seq, raw.payload));
                    false
                }
                Found::Record(_) => true,
                Found::Unreadable(_) => false,
            },
        )?;
        let Some(Ok(record)) = found else {
            return not_a_token("its record cannot be read".to_owned());
        };
        let Event::Started { item, phase, .. } = &record.event else {
            return not_a_token(format!(
                "record {token} is of the kind {}",
                record.event.kind()
            ));
        };
        decide::stale(&self.state, item, phase, token, "renewed").map_err(Error::from)
    }
}

/// See [`Store::claim`].
pub(super) fn claim(
    store: &mut impl Transact,
    ports: &Ports,
    dir: &Path,
    wanted: &Claim,
) -> Result<Claimed> {
    let done = store.transact(&mut |state, now| {
        let known = Known::look(ports, dir);
        let mut events = lease::expired(state, now, None, &known);
        match claim::claim(state, wanted, &events, now) {
            Ok(started) => {
                events.extend(started);
                Verdict::Append(events, None)
            }
            // An unknown phase is a mistake of the caller: nothing happens.
            Err(rejection @ Rejection::UnknownPhase { .. }) => Verdict::Answer(Some(rejection)),
            Err(rejection) => Verdict::Append(events, Some(rejection)),
        }
    })?;
    let (started, resets) = (done.records)
        .into_iter()
        .partition(|record| matches!(record.event, Event::Started { .. }));
    let started = match done.outcome {
        None => Ok(started),
        Some(rejection) => Err(rejection),
    };
    Ok(Claimed { resets, started })
}

/// See [`Store::claim_or_wait`].
pub(super) fn claim_or_wait(
    store: &mut impl Transact,
    ports: &Ports,
    dir: &Path,
    wanted: &Claim,
    patience: Option<Duration>,
    told: &mut dyn FnMut(&[Record]),
) -> Result<Claimed> {
    let (mut slept, mut pause) = (Duration::ZERO, POLL.0);
    loop {
        let claimed = claim(store, ports, dir, wanted)?;
        let left = patience.map(|patience| patience.saturating_sub(slept));
        let goes_on = matches!(claimed.started, Err(Rejection::NothingReady { .. }));
        if !goes_on || left == Some(Duration::ZERO) {
            return Ok(claimed);
        }
        told(&claimed.resets);
        let sleep = jittered(ports, pause).min(left.unwrap_or(Duration::MAX));
        ports.clock.sleep(sleep);
        slept += sleep;
        pause = (pause * 2).min(POLL.1);
    }
}

/// Half to one and a half of the pause: workers that were started together do not stay together.
pub fn jittered(ports: &Ports, pause: Duration) -> Duration {
    let jitter = (ports.process.random() % 1_024) as f64 / 1_024.0;
    pause.mul_f64(0.5 + jitter)
}

/// See [`Store::heartbeat`]; `None` if the token does not hold.
pub(super) fn heartbeat(
    store: &mut impl Transact,
    ports: &Ports,
    dir: &Path,
    token: Seq,
    progress: Option<&str>,
) -> Result<Option<Beat>> {
    let done = store.transact(&mut |state, now| {
        let Some((item, place)) = holder(state, token) else {
            return Verdict::Answer(None);
        };
        let sign = Sign {
            at: now.at,
            wall_only: now.given,
            boot: now.boot.clone(),
            progress: progress.map(str::to_owned),
        };
        let is_over = |other: Seq| holder(state, other).is_none();
        // That it cannot be written makes a reset earlier, no more.
        let noted = heartbeats::write(&*ports.disk, dir, token, &sign, is_over);
        let planned = &state.plan.phases()[place.phase];
        let limit_us = planned.limit_micros();
        let beat = Beat {
            item: item.name.clone(),
            phase: planned.phase.clone(),
            record: None,
            limit_us,
        };
        if noted.is_ok() && !is_worth_a_record(&item.phases[place.phase], limit_us, now) {
            return Verdict::Answer(Some(beat));
        }
        let event = Event::Renewed {
            item: beat.item.clone(),
            phase: beat.phase.clone(),
            token: Some(token),
            boot: now.boot.clone(),
            progress: progress.map(str::to_owned),
        };
        Verdict::Append(vec![event], Some(beat))
    })?;
    Ok(done.outcome.map(|beat| Beat {
        record: done.records.into_iter().next(),
        ..beat
    }))
}

/// The work that a token holds.
fn holder(facts: &dyn Facts, token: Seq) -> Option<(Cow<'_, Item>, Place)> {
    facts.in_progress().find_map(|place| {
        let item = facts.item(place.item)?;
        (item.phases[place.phase].token == Some(token)).then_some((item, place))
    })
}

fn is_worth_a_record(phase: &PhaseState, limit_us: u64, now: &Now) -> bool {
    let lease = phase.lease.as_deref();
    lease.is_none_or(|lease| lease::elapsed(lease, now).micros > limit_us / 3)
}
