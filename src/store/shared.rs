//! One store for many threads: who comes while a sync is under way shares the next.
//!
//! ```text
//!   thread 1   command -> leads: takes all that wait -> lock, decide each, one write, one sync -> an answer for each
//!   thread 2   command -> waits ........................................................... <- its answer
//!   thread 3              command -> waits ... leads the next
//! ```
//!
//! There is no thread of its own. The first who comes leads; it waits a moment for as many as came the last time, so that
//! threads which work at one pace stay together, and a lone one never waits. Every answer comes after the sync that it
//! rests on. A refused command harms nobody; a failed write or sync is everybody's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use crate::error::{Error, Result};
use crate::pipeline::Command;

use super::batch::{self, Batch, alike};
use super::{Receipt, Store};

/// How often a leader lets other threads run before it goes without them: some 50 microseconds where nobody is coming,
/// a small part of what a sync takes.
const PATIENCE: usize = 64;

/// A store that many threads write.
pub struct SharedStore {
    inside: Mutex<Inside>,
    line: Mutex<Line>,
    /// How many stand in line; kept beside it so that a leader can look without the lock.
    waiting: AtomicUsize,
    turns: AtomicUsize,
}

struct Inside {
    store: Store,
    /// The state is ahead of the log, or a thread panicked while it changed: to be opened anew.
    void: bool,
}

/// Those who wait for an answer and are not yet taken care of.
struct Line {
    jobs: Vec<Arc<Job>>,
    /// Somebody leads.
    led: bool,
    /// How many came the last time.
    last: usize,
}

/// One command and who waits for what becomes of it.
struct Job {
    command: Command,
    thread: Thread,
    reply: Mutex<Option<Reply>>,
}

/// What a waiting thread is told.
enum Reply {
    /// The answer.
    Done(Box<Result<Receipt>>),
    /// It is its turn to lead.
    Lead,
    /// Whoever took its command could not say what became of the store, and wrote nothing: again.
    Again,
}

impl Job {
    fn tell(&self, reply: Reply) {
        *held(&self.reply) = Some(reply);
        self.thread.unpark();
    }

    fn wait(&self) -> Reply {
        loop {
            if let Some(reply) = held(&self.reply).take() {
                return reply;
            }
            std::thread::park();
        }
    }
}

impl SharedStore {
    /// Shares a store.
    pub fn new(store: Store) -> Self {
        Self {
            inside: Mutex::new(Inside { store, void: false }),
            line: Mutex::new(Line {
                jobs: Vec::new(),
                led: false,
                last: 1,
            }),
            waiting: AtomicUsize::new(0),
            turns: AtomicUsize::new(0),
        }
    }

    /// As [`Store::submit`], from any thread. What several threads submit at the same time shares a write and a sync.
    ///
    /// # Errors
    /// As [`Store::submit`], for this command. Where the write or the sync failed that it shared with others, all of them
    /// are told so.
    pub fn submit(&self, command: &Command) -> Result<Receipt> {
        loop {
            let job = Arc::new(Job {
                command: command.clone(),
                thread: std::thread::current(),
                reply: Mutex::new(None),
            });
            let leads = {
                let mut line = held(&self.line);
                line.jobs.push(job.clone());
                self.waiting.store(line.jobs.len(), Ordering::Release);
                !std::mem::replace(&mut line.led, true)
            };
            let mut reply = if leads { Reply::Lead } else { job.wait() };
            if matches!(reply, Reply::Lead) {
                self.lead();
                // A leader stands in line with the others, so it has an answer by now.
                reply = job.wait();
            }
            if let Reply::Done(answer) = reply {
                return *answer;
            }
        }
    }

    /// Works with the store alone, as for [`Store::claim`] or [`Store::resume`]; nobody else's command goes on meanwhile.
    ///
    /// # Errors
    /// As [`Store::open`] where a write failed before and the store is opened anew; else what `work` returns.
    pub fn alone<T>(&self, work: impl FnOnce(&mut Store) -> Result<T>) -> Result<T> {
        let mut inside = held(&self.inside);
        inside.refresh()?;
        inside.void = true;
        let done = work(&mut inside.store);
        // Only a panic leaves it behind.
        inside.void = false;
        done
    }

    /// How many commands wait that nobody takes care of yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// How many turns were begun: each is at most one write and one sync, whoever shares it.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::Acquire)
    }

    /// The store, when nobody shares it any more.
    ///
    /// # Errors
    /// As [`SharedStore::alone`].
    pub fn into_inner(self) -> Result<Store> {
        let mut inside = self
            .inside
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        inside.refresh()?;
        Ok(inside.store)
    }

    /// Takes care of everybody in line, then hands on.
    fn lead(&self) {
        self.gather();
        let mut turn = {
            let mut line = held(&self.line);
            self.waiting.store(0, Ordering::Release);
            line.last = line.jobs.len();
            self.turns.fetch_add(1, Ordering::AcqRel);
            Turn {
                shared: self,
                jobs: std::mem::take(&mut line.jobs),
            }
        };
        let commands: Vec<&Command> = turn.jobs.iter().map(|job| &job.command).collect();
        let batch = held(&self.inside).submit_all(&commands);
        drop(commands);
        turn.answer(batch);
    }

    /// Waits a moment for as many as came the last time.
    fn gather(&self) {
        let wanted = held(&self.line).last;
        for _ in 0..PATIENCE {
            if self.waiting.load(Ordering::Acquire) >= wanted {
                break;
            }
            std::thread::yield_now();
        }
    }
}

impl Inside {
    fn submit_all(&mut self, commands: &[&Command]) -> Result<Batch> {
        self.refresh()?;
        self.void = true;
        let batch = batch::submit_all(&mut self.store, commands);
        self.void = match &batch {
            Ok(batch) => batch.is_void,
            // The log is not the one that was read. Whatever else went wrong, the store still knows what it knew, also
            // that a sync failed.
            Err(error) => matches!(error, Error::OtherLog { .. }),
        };
        batch
    }

    /// Opens the store anew, if its state is not to be trusted.
    fn refresh(&mut self) -> Result<()> {
        if self.void {
            let Store {
                ports,
                dir,
                options,
                ..
            } = &self.store;
            self.store = Store::open(ports.clone(), dir, options.clone())?;
            self.void = false;
        }
        Ok(())
    }
}

/// A leader's turn. However it ends, a panic included, everybody in it is told and somebody else may lead.
struct Turn<'s> {
    shared: &'s SharedStore,
    jobs: Vec<Arc<Job>>,
}

impl Turn<'_> {
    fn answer(&mut self, batch: Result<Batch>) {
        match batch {
            Ok(batch) => {
                for (job, answer) in self.jobs.drain(..).zip(batch.answers) {
                    job.tell(Reply::Done(Box::new(answer)));
                }
            }
            Err(error) => {
                // The leader's own comes first, and keeps the error itself.
                let mut jobs = self.jobs.drain(..);
                let own = jobs.next();
                for job in jobs {
                    job.tell(match alike(&error) {
                        Some(error) => Reply::Done(Box::new(Err(error))),
                        None => Reply::Again,
                    });
                }
                if let Some(own) = own {
                    own.tell(Reply::Done(Box::new(Err(error))));
                }
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        for job in self.jobs.drain(..) {
            job.tell(Reply::Again);
        }
        let mut line = held(&self.shared.line);
        match line.jobs.first() {
            Some(next) => next.tell(Reply::Lead),
            None => line.led = false,
        }
    }
}

/// What is behind a lock, whatever became of the thread that held it last: a panic leaves nothing half done that matters.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedStore")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
