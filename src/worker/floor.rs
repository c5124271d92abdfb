//! The loop: claims while there is room, waits for what happens, and does what is due.
//!
//! ```text
//!   room, and nobody told us to end   -> claim, start the command
//!   a command wrote                   -> pass it on, keep the end of standard error
//!   a command ended                   -> report; what cannot be recorded now is tried again with the same token
//!   a sign of life is due             -> heartbeat; is the work somebody else's by now, the command is told to end
//!   we are told to end                -> so are the commands; told again, they are killed
//! ```

use std::time::Duration;

use crate::error::{Error, Result};
use crate::pipeline::claim::Claim;
use crate::pipeline::{Command, Event, Facts, Record, Rejection, Report, ReportKind, decide};
use crate::ports::{Crew, Ending, Happening, Member, Ports, Signal, Stream};
use crate::store::claim::{POLL, jittered};
use crate::store::{Options, Receipt, Store, Warning};

use super::job::{Job, Owed, Resting};
use super::order::Order;
use super::outcome::{Outcome, Piece, Stop, Watcher};
use super::words;

/// What fails and may pass is tried again for so many times the wait for a lock.
const LOCK_WAITS: u32 = 3;
/// The shortest and the longest time between two tries.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The shortest and the longest time for which work that a command gave back is left to others.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// So much is taken in before what is due is looked at again.
const HEARD_AT_ONCE: usize = 64;

/// Runs the command of the order for one piece of work, or for all that can be done, and returns why it stopped; by then
/// no command of ours runs. What came of each piece the watcher has seen.
///
/// # Errors
/// If the crew cannot be waited for; what it runs is left to the guard.
pub fn work(
    order: &Order,
    ports: &Ports,
    options: &Options,
    store: Store,
    crew: &mut dyn Crew,
    watcher: &mut dyn Watcher,
) -> Result<Stop> {
    let mut floor = Floor {
        order,
        ports,
        options,
        store,
        crew,
        watcher,
        jobs: Vec::new(),
        owed: Vec::new(),
        resting: Vec::new(),
        stop: None,
        claim_at: Duration::ZERO,
        pause: POLL.0,
        trouble_since: None,
    };
    floor.run()
}

struct Floor<'a> {
    order: &'a Order,
    ports: &'a Ports,
    options: &'a Options,
    store: Store,
    crew: &'a mut dyn Crew,
    watcher: &'a mut dyn Watcher,
    jobs: Vec<Job>,
    owed: Vec<Owed>,
    resting: Vec<Resting>,
    /// Why nothing more is begun.
    stop: Option<Stop>,
    /// When to look for work again, and how long to wait if there is none.
    claim_at: Duration,
    pause: Duration,
    /// Since when no claim succeeds.
    trouble_since: Option<Duration>,
}

impl Floor<'_> {
    fn run(&mut self) -> Result<Stop> {
        self.look_for_command();
        loop {
            // What reached us before we begin is heard before: nothing is begun only to be given back.
            self.hear(Some(Duration::ZERO))?;
            self.claim();
            self.beat();
            self.pay_owed();
            if self.jobs.is_empty()
                && self.owed.is_empty()
                && let Some(stop) = self.stop.take()
            {
                return Ok(stop);
            }
            let now = self.now();
            self.hear(self.next_due().map(|due| due.saturating_sub(now)))?;
        }
    }

    fn now(&self) -> Duration {
        self.ports.clock.awake()
    }

    /// A command that is not there is known before anything is claimed for it.
    fn look_for_command(&mut self) {
        let name = &self.order.words[0];
        if words::is_fixed(name)
            && let Err(error) = self.crew.look_for(name)
        {
            self.stop = Some(Stop::NoStart(Error::io("start", name)(error)));
        }
    }

    /// When something is to be done although nothing happens.
    fn next_due(&self) -> Option<Duration> {
        let jobs = self.jobs.iter().filter_map(Job::due);
        let owed = self.owed.iter().map(|owed| owed.next);
        let claim = self.has_room().then_some(self.claim_at);
        jobs.chain(owed).chain(claim).min()
    }

    fn has_room(&self) -> bool {
        self.stop.is_none() && self.jobs.len() < self.order.jobs
    }

    /// Waits for what happens next and takes in what has happened by then.
    fn hear(&mut self, patience: Option<Duration>) -> Result<()> {
        let mut patience = patience;
        // Not for ever: a command that writes without end must not keep others from their signs of life.
        for _ in 0..HEARD_AT_ONCE {
            let next = self.crew.next(patience);
            let next = next.map_err(Error::io("wait for", &self.order.words[0]))?;
            let Some(happening) = next else {
                break;
            };
            patience = Some(Duration::ZERO);
            match happening {
                Happening::Wrote {
                    member,
                    stream,
                    bytes,
                } => self.wrote(member, stream, bytes),
                Happening::Ended { member, ending } => self.ended(member, ending),
                Happening::Told(signal) => self.told(signal),
            }
        }
        Ok(())
    }

    fn claim(&mut self) {
        let now = self.now();
        if !self.has_room() || now < self.claim_at {
            return;
        }
        let room = if self.order.all {
            self.order.jobs - self.jobs.len()
        } else {
            1
        };
        self.resting
            .retain(|resting| now < resting.until + resting.pause);
        let except = self.resting.iter().filter(|resting| now < resting.until);
        let wanted = Claim {
            phase: self.order.phase.clone(),
            worker: self.order.worker.clone(),
            owner: self.order.owner.clone(),
            limit: room,
            except: except.map(|resting| resting.place.clone()).collect(),
        };
        let claimed = match self.store.claim(&wanted) {
            Ok(claimed) => claimed,
            Err(error) => return self.no_claim(error, now),
        };
        self.trouble_since = None;
        self.watcher.handed_back(&claimed.resets);
        match claimed.started {
            Ok(started) => {
                self.pause = POLL.0;
                for record in &started {
                    self.begin(record);
                }
                if !self.order.all && self.stop.is_none() {
                    self.stop = Some(Stop::One);
                }
            }
            Err(Rejection::NothingReady { .. }) if self.order.all => {
                self.claim_at = now + jittered(self.ports, self.pause);
                self.pause = (self.pause * 2).min(POLL.1);
            }
            Err(rejection) => self.stop = Some(Stop::Nothing(rejection)),
        }
        self.tidy();
    }

    /// A worker that goes on by itself outlives what passes.
    fn no_claim(&mut self, error: Error, now: Duration) {
        let since = *self.trouble_since.get_or_insert(now);
        if self.order.all && is_passing(&error) && now < since + self.patience() {
            self.claim_at = now + jittered(self.ports, self.pause);
            self.pause = (self.pause * 2).min(POLL.1);
            return self.open_again();
        }
        self.stop = Some(Stop::Store(error));
        self.tidy();
    }

    /// For how long what failed is tried again.
    fn patience(&self) -> Duration {
        self.options.lock_wait * LOCK_WAITS
    }

    /// Starts the command for work that was just claimed.
    fn begin(&mut self, record: &Record) {
        let Event::Started { item, phase, .. } = &record.event else {
            return;
        };
        let (attempt, limit_us) = self.facts_of(item.as_str(), phase.as_str());
        let piece = Piece {
            item: item.clone(),
            phase: phase.clone(),
            token: record.seq,
            attempt,
        };
        if self.stop.is_some() {
            let report = piece.report(ReportKind::Release);
            return self.report(piece, None, report);
        }
        let worker = self.order.worker.as_deref();
        let program = words::program(&self.order.words, &piece, worker, self.store.dir());
        match self.crew.start(&program) {
            Ok(member) => {
                self.watcher.started(&piece);
                let job = Job::new(piece, member, limit_us, self.order, self.now());
                self.jobs.push(job);
            }
            Err(error) if is_about_the_words(&error) => {
                let kind = ReportKind::Fail {
                    error: format!("the command cannot be given this item: {error}"),
                    permanent: true,
                };
                let report = piece.report(kind);
                self.report(piece, None, report);
            }
            Err(error) => {
                self.stop = Some(Stop::NoStart(Error::io("start", &program.words[0])(error)));
                let report = piece.report(ReportKind::Release);
                self.report(piece, None, report);
            }
        }
    }

    /// Which attempt it is, and the time limit in microseconds.
    fn facts_of(&self, item: &str, phase: &str) -> (u32, u64) {
        let facts: &dyn Facts = self.store.state();
        let place = facts.find(item).zip(facts.plan().index_of(phase));
        place.map_or((1, 0), |(item, phase)| {
            let attempt = facts.item(item).map(|item| item.phases[phase].attempts);
            let limit_us = facts.plan().phases()[phase].limit_micros();
            (attempt.unwrap_or(1), limit_us)
        })
    }

    fn wrote(&mut self, member: Member, stream: Stream, bytes: Vec<u8>) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.member == member) {
            let bytes = job.wrote(stream, bytes);
            self.watcher.wrote(stream, &bytes);
        }
    }

    fn ended(&mut self, member: Member, ending: Ending) {
        let Some(at) = self.jobs.iter().position(|job| job.member == member) else {
            return;
        };
        let mut job = self.jobs.remove(at);
        for (stream, bytes) in job.rest() {
            self.watcher.wrote(stream, &bytes);
        }
        let (piece, report) = job.report(ending);
        self.report(piece, Some(ending), report);
        // There is room again, and this may have made something ready.
        self.claim_at = Duration::ZERO;
        self.pause = POLL.0;
    }

    /// Somebody wants us to end: so do the commands; told again, they are killed and nothing more is tried.
    fn told(&mut self, signal: Signal) {
        let again = matches!(self.stop, Some(Stop::Told(_)));
        if !again {
            self.stop = Some(Stop::Told(signal));
        }
        for job in &mut self.jobs {
            job.told_to_end = true;
            let signal = if again { Signal::Kill } else { signal };
            self.crew.signal(job.member, signal);
        }
        if again {
            for owed in &mut self.owed {
                owed.until = Duration::ZERO;
            }
        }
    }

    /// Gives signs of life that are due, and kills what was told to end and did not.
    fn beat(&mut self) {
        let now = self.now();
        for job in &mut self.jobs {
            if job.kill_at.is_some_and(|at| at <= now) {
                job.kill_at = None;
                self.crew.signal(job.member, Signal::Kill);
            }
            if job.beat_at.is_none_or(|at| at > now) {
                continue;
            }
            job.beaten(now);
            match self.store.heartbeat(job.piece.token, None) {
                Err(Error::Rejected(_)) => {
                    if is_superseded(&self.store, &job.piece, self.ports) {
                        let signal = job.give_up(now);
                        self.crew.signal(job.member, signal);
                    }
                }
                Err(error) if !job.said => {
                    job.said = true;
                    let (phase, item) = (&job.piece.phase, &job.piece.item);
                    self.watcher.noticed(&Warning::new(
                        "W-HEARTBEAT",
                        format!("no sign of life for {phase} of {item}: {error}"),
                    ));
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn report(&mut self, piece: Piece, ending: Option<Ending>, report: Report) {
        let now = self.now();
        self.settle(Owed {
            piece,
            ending,
            report,
            next: now,
            pause: RETRY.0,
            until: now + self.patience(),
        });
    }

    /// Tries reports again that could not be made.
    fn pay_owed(&mut self) {
        let now = self.now();
        let (due, later) = std::mem::take(&mut self.owed)
            .into_iter()
            .partition(|owed| owed.next <= now || owed.until <= now);
        self.owed = later;
        for owed in due {
            self.settle(owed);
        }
    }

    /// Makes a report, or puts it off if it may yet be made.
    fn settle(&mut self, mut owed: Owed) {
        let answer = self.store.report_end(&owed.report);
        let now = self.now();
        if let Err(error) = &answer
            && is_passing(error)
            && now < owed.until
        {
            owed.next = now + owed.pause;
            owed.pause = (owed.pause * 2).min(RETRY.1);
            self.owed.push(owed);
            return self.open_again();
        }
        if let Err(Error::Rejected(why)) = &answer
            && why.is_about_data()
            && owed.report.data.take().is_some()
        {
            // Where its data cannot be kept the work is not done, as where there is none.
            let (error, permanent) = (why.to_string(), false);
            owed.report.kind = ReportKind::Fail { error, permanent };
            return self.settle(owed);
        }
        self.close(owed, answer);
    }

    /// After a failed write or sync what this process has read is not what it may build on.
    fn open_again(&mut self) {
        let dir = self.store.dir().to_owned();
        // If that fails too, the next try says why.
        if let Ok(store) = Store::open(self.ports.clone(), &dir, self.options.clone()) {
            self.store = store;
        }
    }

    fn close(&mut self, owed: Owed, answer: Result<Receipt>) {
        let Owed {
            piece,
            ending,
            report,
            ..
        } = owed;
        if report.kind == ReportKind::Release && answer.is_ok() {
            self.let_rest(&piece);
        }
        let refused = matches!(&answer, Err(Error::Rejected(_)));
        if answer.is_err() && !refused && self.stop.is_none() {
            self.stop = Some(Stop::Unreported);
        }
        let outcome = Outcome {
            piece,
            ending,
            reported: report.kind,
            answer,
        };
        self.watcher.ended(outcome);
        self.tidy();
    }

    /// What a command gave back is left to others for a while, each time for longer: else we would take nothing else.
    fn let_rest(&mut self, piece: &Piece) {
        let place = (piece.item.clone(), piece.phase.clone());
        let before = self
            .resting
            .iter()
            .position(|resting| resting.place == place)
            .map(|at| self.resting.remove(at).pause);
        let pause = before.map_or(REST.0, |pause| (pause * 2).min(REST.1));
        let until = self.now() + pause;
        self.resting.push(Resting {
            place,
            until,
            pause,
        });
    }

    /// After a write: the snapshots if it is time to, then what was noticed.
    fn tidy(&mut self) {
        let compacted = self.store.compact_if_due();
        for warning in self.store.take_warnings() {
            self.watcher.noticed(&warning);
        }
        if let Err(error) = compacted {
            self.watcher.noticed(&Warning::new(
                "W-COMPACT",
                format!("the snapshots were not written: {error}"),
            ));
        }
    }
}

/// True if nothing that is said under the token will ever count: somebody else has begun the work, or it was put back by a
/// person. Work that was handed back and not begun again goes on, and so does a command that has reported by itself.
fn is_superseded(store: &Store, piece: &Piece, ports: &Ports) -> bool {
    let done = Command::Report(piece.report(ReportKind::Complete));
    let decided = decide::decide(store.state(), &done, &ports.clock.now());
    matches!(decided, Err(Rejection::StaleToken { .. }))
}

/// True for failures that the same report may outlive.
const fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::LockTimeout { .. }
            | Error::NotRecorded { .. }
            | Error::NotAcknowledged { .. }
            | Error::LockLost { .. }
            | Error::Poisoned { .. }
    )
}

/// True if no command can ever be started with these words: a NUL in them, or too long.
fn is_about_the_words(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ArgumentListTooLong, InvalidInput};

    matches!(error.kind(), InvalidInput | ArgumentListTooLong)
}

#[cfg(test)]
mod tests;
