//! A store opened for one command: the state is not loaded but read in place, at a cost that does not grow with the store.
//!
//! ```text
//!   lock -> cache agrees with the log? -> catch up -> cache, as far as that -> decide -> one write -> unlock -> sync -> …
//!             | no                          | trouble      | trouble           | what it asked cannot be read
//!             '-----------------------------'--------------'-------------------'---> recover everything, as Store does,
//!                                                                                     make a new cache, and go on from there
//! ```
//!
//! The answer is the same either way, and so is everything that is checked, written and synced.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::log::reader::{LogEnd, Tail, Witnesses};
use crate::log::writer::{Locked, LogOptions, Writer};
use crate::log::{files, lock};
use crate::pipeline::claim::Claim;
use crate::pipeline::{Command, Item, ItemId, Now, PipelineState, Plan, Record};
use crate::ports::{EntryKind, Ports};
use crate::position::Seq;

use super::append::{self, Ground, Transact, Transacted, Verdict};
use super::cache::{self, CACHE, End};
use super::dir::{self, WAL};
use super::facts::SnapshotFacts;
use super::recovery::{fold, torn_warning};
use super::{Beat, CacheMode, Claimed, Compacted, Options, Receipt, Store, Warning};
use super::{claim, compaction};

/// A store, open for one command or a few.
pub struct Brief {
    ports: Ports,
    dir: PathBuf,
    options: Options,
    answered: Answered,
    warnings: Vec<Warning>,
}

/// What the last command was answered from.
enum Answered {
    Nothing,
    InPlace(Box<(PipelineState, SnapshotFacts)>),
    /// Everything was recovered; from here on it is kept.
    Whole(Box<Store>),
}

impl Brief {
    /// Opens the store in `dir`: everything is recovered only if it must be.
    ///
    /// # Errors
    /// As [`Store::open`], where everything is recovered; else the first command tells.
    pub fn open(ports: Ports, dir: &Path, options: Options) -> Result<Self> {
        let mut brief = Self {
            ports,
            dir: dir.to_owned(),
            options,
            answered: Answered::Nothing,
            warnings: Vec::new(),
        };
        if !brief.may_have_a_cache() {
            brief.recover()?;
        }
        Ok(brief)
    }

    /// As [`Store::submit`].
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub fn submit(&mut self, command: &Command) -> Result<Receipt> {
        append::submit(self, command)
    }

    /// As [`Store::claim`].
    ///
    /// # Errors
    /// As [`Store::claim`].
    pub fn claim(&mut self, wanted: &Claim) -> Result<Claimed> {
        let (ports, dir) = (self.ports.clone(), self.dir.clone());
        claim::claim(self, &ports, &dir, wanted)
    }

    /// As [`Store::claim_or_wait`].
    ///
    /// # Errors
    /// As [`Store::claim`].
    pub fn claim_or_wait(
        &mut self,
        wanted: &Claim,
        patience: Option<std::time::Duration>,
        told: &mut dyn FnMut(&[Record]),
    ) -> Result<Claimed> {
        let (ports, dir) = (self.ports.clone(), self.dir.clone());
        claim::claim_or_wait(self, &ports, &dir, wanted, patience, told)
    }

    /// As [`Store::heartbeat`].
    ///
    /// # Errors
    /// As [`Store::heartbeat`].
    pub fn heartbeat(&mut self, token: Seq, progress: Option<&str>) -> Result<Beat> {
        let (ports, dir) = (self.ports.clone(), self.dir.clone());
        match claim::heartbeat(self, &ports, &dir, token, progress)? {
            Some(beat) => Ok(beat),
            None => Err(self.whole()?.refuse_beat(token)?.into()),
        }
    }

    /// As [`Store::compact_if_due`]; whether it is, is known without loading anything.
    ///
    /// # Errors
    /// As [`Store::compact_if_due`].
    pub fn compact_if_due(&mut self) -> Result<Option<Compacted>> {
        if let Answered::InPlace(known) = &self.answered
            && !compaction::is_due(&known.1, self.options.compact)
        {
            return Ok(None);
        }
        self.whole()?.compact_if_due()
    }

    /// The last record that the last answer rests on.
    pub fn last_seq(&self) -> Seq {
        self.state().map_or(Seq::NONE, |state| state.last_seq)
    }

    /// The plan, as of the last command.
    pub fn plan(&self) -> Option<&Plan> {
        self.state().map(|state| &state.plan)
    }

    /// An item that the last command changed, as it stands since.
    pub fn item(&self, name: &ItemId) -> Option<std::borrow::Cow<'_, Item>> {
        let state = self.state()?;
        Some(state.item_at(state.index_of(name.as_str())?))
    }

    /// As [`Store::take_warnings`].
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        let mut warnings = std::mem::take(&mut self.warnings);
        if let Answered::Whole(store) = &mut self.answered {
            warnings.extend(store.take_warnings());
        }
        warnings
    }

    fn state(&self) -> Option<&PipelineState> {
        match &self.answered {
            Answered::Nothing => None,
            Answered::InPlace(known) => Some(&known.0),
            Answered::Whole(store) => Some(store.state()),
        }
    }

    fn may_have_a_cache(&self) -> bool {
        let path = self.dir.join(WAL).join(CACHE);
        let found = || self.ports.disk.metadata(&path);
        self.options.cache == CacheMode::Auto
            && found().is_ok_and(|found| found.kind == EntryKind::File)
    }

    /// The store with everything recovered.
    fn whole(&mut self) -> Result<&mut Store> {
        if !matches!(self.answered, Answered::Whole(_)) {
            self.recover()?;
        }
        match &mut self.answered {
            Answered::Whole(store) => Ok(store),
            _ => unreachable!("everything was just recovered"),
        }
    }

    /// Recovers everything, and leaves a cache for whoever comes next.
    fn recover(&mut self) -> Result<()> {
        let (ports, options) = (self.ports.clone(), self.options.clone());
        let store = Store::open(ports, &self.dir, options)?;
        store.renew_cache();
        self.answered = Answered::Whole(Box::new(store));
        Ok(())
    }

    /// A transaction on the state in place. `None` if that is not possible: then nothing was written.
    fn in_place<T>(
        &mut self,
        choose: &mut dyn FnMut(&PipelineState, &Now) -> Verdict<T>,
    ) -> Result<Option<Transacted<T>>> {
        let log = dir::place(&self.ports, &self.dir, &self.options)?;
        // The mark before the lock and so before the log: what it says is then in what is read.
        let mark = log.mark();
        let path = log.wal_dir().join(files::LOCK);
        let held = lock::exclusive(&self.ports, &path, self.options.lock_wait)?;
        let Some(mut opened) = cache::open(&self.ports, &self.dir, &log) else {
            return Ok(None);
        };
        let (mut state, mut facts) = (opened.state.clone(), opened.facts.clone());
        let end = LogEnd {
            position: opened.end.position.clone(),
            tail: Tail::Clean,
            file: opened.segment.clone(),
        };
        let witnesses = Witnesses {
            mark,
            snapshot: facts.seq.unwrap_or(Seq::NONE),
        };
        let options = LogOptions {
            segment_bytes: self.options.segment_bytes,
            lock_wait: self.options.lock_wait,
        };
        let mut writer = Writer::new(log, end, witnesses, options);
        let mut locked = writer.lock_with(held);
        let caught_up =
            locked.catch_up(&mut |entry| fold(&mut state, &mut facts, &entry).map(drop));
        match caught_up {
            Ok(_) => {}
            // A sync failed, or a failed one was not to be cleared: that is so for everybody.
            Err(error @ (Error::NotAcknowledged { .. } | Error::Poisoned { .. })) => {
                return Err(error);
            }
            // What is wrong is for whoever reads everything to say.
            Err(_) => return Ok(None),
        }
        if !state.is_sound() || !advance(&mut opened, &locked, &mut state, &facts) {
            return Ok(None);
        }
        let mut warnings = Vec::new();
        if let Tail::Torn { bytes, .. } = *locked.writer().tail() {
            warnings.push(torn_warning(locked.position(), bytes));
        }
        let ground = Ground {
            ports: &self.ports,
            dir: &self.dir,
            options: &self.options,
            state: &mut state,
            snapshot: &mut facts,
            warnings: &mut warnings,
        };
        let done = append::decide_and_append(ground, locked, choose);
        if !matches!(done, Ok(None)) {
            self.warnings.extend(warnings);
            self.answered = Answered::InPlace(Box::new((state, facts)));
        }
        done
    }
}

/// What a proof asks.
#[cfg(feature = "testing")]
impl Brief {
    /// Holds the cache against a recovery of everything: what they say differently, `Some(None)` if nothing, or `None` if there
    /// is no cache that counts. Nobody else may write meanwhile.
    ///
    /// # Errors
    /// As [`Store::open`], and as [`Store::submit`].
    pub fn disagreement(&mut self) -> Result<Option<Option<String>>> {
        let whole = Store::open(self.ports.clone(), &self.dir, self.options.without_cache())?;
        let told = self.in_place(&mut |state, now| {
            Verdict::Answer(state.disagreement(whole.state(), &[now.at]))
        })?;
        Ok(told.map(|told| told.outcome))
    }
}

impl Transact for Brief {
    fn transact<T>(
        &mut self,
        choose: &mut dyn FnMut(&PipelineState, &Now) -> Verdict<T>,
    ) -> Result<Transacted<T>> {
        if !matches!(self.answered, Answered::Whole(_))
            && let Some(done) = self.in_place(choose)?
        {
            return Ok(done);
        }
        append::transact(self.whole()?, choose)
    }
}

/// Takes into the cache what was just read behind its end. False if it is no use any more.
fn advance(
    opened: &mut cache::Opened,
    locked: &Locked<'_>,
    state: &mut PipelineState,
    facts: &SnapshotFacts,
) -> bool {
    let position = locked.position().clone();
    // A range that a repair gave up since may lie in what the cache has.
    let same_history = position.lost == opened.end.position.lost;
    let file = locked.writer().file_id();
    file.is_ok_and(|file| same_history && opened.save(&End { position, file }, state, facts))
}
