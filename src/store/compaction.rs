//! Compaction: the state at S becomes `work_items.json`. May be interrupted anywhere and changes no answer.
//!
//! ```text
//!   compact.lock -> [ lock -> catch up -> sync -> rotate ] -> write the set -> swap it in -> append `compacted`
//!                     S is the last seq before the new segment's header; appends go on meanwhile
//! ```

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::lock::{self, Held};
use crate::log::reader::Log;
use crate::pipeline::{Event, PipelineState, Timestamp};
use crate::ports::{EntryKind, Ports};
use crate::position::Seq;
use crate::snapshot::set::{self, FindingKind};
use crate::snapshot::{LogPlace, TimeStyle, enrichment, extraction, work_items};

use super::append::{self, Ground, Verdict};
use super::cache::{self, End};
use super::dir::WAL;
use super::facts::SnapshotFacts;
use super::progress::Counted;
use super::recovery;
use super::strays;
use super::{CacheMode, CompactMode, Store, Warning};
use crate::log::files::{COMPACT_LOCK, QUARANTINE};

/// Below this many bytes of log behind the snapshot an automatic compaction is not worth it.
const LEAST_TAIL_BYTES: u64 = 64 * 1024;

/// What a compaction came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says whether anything was written"]
pub enum Compacted {
    /// The snapshots stand for everything through `covers`.
    Written {
        /// The `compacted` record.
        seq: Seq,
        /// The last record in the snapshots.
        covers: Seq,
        /// Bytes written.
        bytes: u64,
        /// Segments of the log by now.
        segments: usize,
    },
    /// Nothing but bookkeeping has been recorded since the last one.
    Unchanged {
        /// The last record in the snapshots.
        covers: Seq,
    },
}

/// True if an automatic compaction is worth it.
pub(super) fn is_due(facts: &SnapshotFacts, mode: CompactMode) -> bool {
    let due = match mode {
        CompactMode::Never => false,
        CompactMode::Always => facts.seq.is_none_or(|seq| facts.last_change > seq),
        CompactMode::Auto => {
            facts.seq.is_none() || facts.tail_bytes > LEAST_TAIL_BYTES.max(worth_it(facts.bytes))
        }
    };
    due && facts.edited.is_empty()
}

/// How many bytes of log have to be behind snapshots of `bytes` bytes before others are written.
///
/// With as many bytes as the snapshots have, each byte of log would be written twice, once more by way of a snapshot; but what is written
/// next is larger than what was written last, and has a segment's header and a record of its own. An eighth more makes up for that.
fn worth_it(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 8)
}

impl Store {
    /// Writes the snapshots now. With `discard_edits`, a file that somebody else changed is set aside first.
    ///
    /// # Errors
    /// [`Error::Edited`] if somebody else changed a file and `discard_edits` is false; [`set::NotAFile`] if a name of
    /// ours leads to no regular file, which is never replaced; otherwise as [`Store::submit`].
    pub fn compact(&mut self, discard_edits: bool) -> Result<Compacted> {
        let wait = self.options.lock_wait;
        let lock = self.lock_compaction(wait)?;
        self.compact_locked(&lock, discard_edits)
    }

    /// Writes the snapshots if it is time to and nobody else is at it. To be called after the receipt is out.
    ///
    /// # Errors
    /// As [`Store::compact`]; whoever calls it warns and goes on.
    pub fn compact_if_due(&mut self) -> Result<Option<Compacted>> {
        if !is_due(&self.snapshot, self.options.compact) {
            return Ok(None);
        }
        match self.lock_compaction(Duration::ZERO) {
            Ok(lock) => self.compact_locked(&lock, false).map(Some),
            // Somebody else is at it.
            Err(Error::LockTimeout { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock_compaction(&self, wait: Duration) -> Result<Held> {
        lock::exclusive(&self.ports, &self.dir.join(WAL).join(COMPACT_LOCK), wait)
    }

    fn compact_locked(&mut self, _lock: &Held, discard_edits: bool) -> Result<Compacted> {
        // Another compactor may have been faster while this one waited for the lock.
        let own = self.writer.position().log.to_string();
        let known = &self.snapshot;
        let set::Glance {
            looked: on_disk,
            seen,
        } = recovery::look_at_snapshot(&self.ports, &self.dir, &own, known, &self.state)?;
        // What stands in for a root that is gone serves us, and not the scripts that read the file.
        let is_there = on_disk
            .usable
            .is_some_and(|usable| usable.source == set::Source::Root);
        // A crash may have left what was taken over, where the snapshot has in its `.bak` what belongs there.
        let is_replaced = |it: &set::Finding| {
            let is_companion = set::COMPANIONS.contains(&&*it.file);
            !(is_companion && matches!(it.kind, FindingKind::Edited { .. } | FindingKind::PutBack))
        };
        let is_there = is_there && on_disk.findings.iter().all(is_replaced);
        let findings = self.refresh(on_disk);
        strays::stop_at_other_history(&self.dir, &findings)?;
        let odd = |finding: &&set::Finding| finding.kind == FindingKind::NotAFile;
        if let Some(finding) = findings.iter().find(odd) {
            return Err(set::NotAFile::error(
                self.dir.join(&finding.file),
                &finding.message,
            ));
        }
        if !discard_edits {
            self.refuse_edits(&findings)?;
        }
        let now = self.ports.clock.now();
        let (ground, mut locked) = append::under_lock(self)?;
        let Ground {
            ports,
            dir,
            state,
            snapshot,
            warnings,
            ..
        } = ground;
        if let Some(covers) = snapshot.seq.filter(|_| is_there && findings.is_empty())
            && snapshot.last_change <= covers
        {
            append::settle(locked.unlock())?;
            // Whoever put them there may have been killed before their names were durable.
            let synced = ports.disk.sync_dir(dir);
            synced.map_err(Error::io("sync", dir))?;
            return Ok(Compacted::Unchanged { covers });
        }
        // Before anything is begun: each try would leave another segment.
        stop_at_what_is_in_the_way(ports, dir, state)?;
        if !findings.is_empty() {
            stop_without_quarantine(ports, dir)?;
        }
        append::seal(&mut locked, &now, state, warnings)?;
        let before = locked.position().clone();
        // Syncs through S before the new segment gets its name.
        locked.rotate(now.at)?;
        let after = locked.position().clone();
        drop(locked);
        let covers = before.last_seq();
        let place = LogPlace {
            id: after.log.to_string(),
            seq: covers,
            crc32: before.previous.value(),
            sha256: after
                .sha256
                .map(|hash| hash.to_string())
                .unwrap_or_default(),
        };
        let set::Saved { bytes, set_aside } =
            self.save_set(&place, seen.as_deref(), discard_edits, now.at)?;
        // Who asked for it knows.
        let unasked = set_aside.iter().filter(|_| !discard_edits);
        self.warnings
            .extend(unasked.map(|copy| set_aside_warning(copy)));
        self.snapshot.seq = Some(covers);
        self.snapshot.bytes = bytes;
        self.snapshot.tail_bytes = 0;
        self.snapshot.edited.clear();
        // What was wrong with the files before is no longer known to be right.
        let stamps = findings
            .is_empty()
            .then(|| set::Stamps::take(&*self.ports.disk, &self.dir));
        self.snapshot.stamps = stamps.flatten();
        self.snapshot.seen = None;
        let done = append::transact(self, |_, _| {
            Verdict::Append(vec![Event::Compacted { covers }], ())
        })?;
        if !self.cache_follows() {
            self.renew_cache();
        }
        let seq = done.records.last().map_or(covers, |record| record.seq);
        let segments = Log::new(self.ports.clone(), &self.dir).segments()?;
        Ok(Compacted::Written {
            seq,
            covers,
            bytes,
            segments: segments.len(),
        })
    }

    /// Refuses to replace what somebody else changed.
    fn refuse_edits(&self, findings: &[set::Finding]) -> Result<()> {
        let Some(file) = self.snapshot.edited.first() else {
            return Ok(());
        };
        let why = |kind: FindingKind| {
            let mut findings = findings.iter();
            let found = findings.find(|it| it.kind == kind && file.as_os_str() == &*it.file);
            found.map(|it| it.message.clone())
        };
        Err(Error::Edited {
            file: self.dir.join(file),
            unreadable: why(FindingKind::Unparsable),
            beyond: why(FindingKind::Beyond),
        })
    }

    /// Takes the cache along; false if a new one has to be made.
    fn cache_follows(&mut self) -> bool {
        if self.options.cache == CacheMode::Never {
            return true;
        }
        let Ok((ground, locked)) = append::under_lock(self) else {
            return false;
        };
        let Ground {
            ports,
            dir,
            snapshot,
            ..
        } = ground;
        let position = locked.position().clone();
        let log = Log::new(ports.clone(), dir);
        let file = locked.writer().file_id();
        file.is_ok_and(|file| cache::follow(ports, dir, &log, &End { position, file }, snapshot))
    }

    /// Takes in what is on disk by now: another process may have compacted, or edited. Returns what is wrong there.
    fn refresh(&mut self, on_disk: set::Looked) -> Vec<set::Finding> {
        let facts = &mut self.snapshot;
        let place = (&self.ports, &*self.dir);
        let mut findings =
            strays::unexplained(place, on_disk.findings, &self.state, facts.compacted);
        // Another process may have written a snapshot of what came since, and somebody may have changed that.
        let mark = Log::new(self.ports.clone(), &self.dir).mark();
        strays::beyond(&mut findings, self.state.last_seq.max(mark));
        facts.edited = strays::edited(&findings);
        if let Some(set::Usable {
            seq: covers, bytes, ..
        }) = on_disk.usable
            && facts.seq.is_none_or(|seq| seq < covers)
        {
            (facts.seq, facts.bytes) = (Some(covers), bytes);
            facts.tail_bytes = 0;
        }
        findings
    }

    /// Writes the state, as it stands at `place`, in place of the set on disk.
    fn save_set(
        &self,
        place: &LogPlace,
        seen: Option<&set::Seen>,
        discard_edits: bool,
        stamp: Timestamp,
    ) -> Result<set::Saved> {
        let Self {
            ports, dir, state, ..
        } = self;
        let times = TimeStyle::of(state.document.times);
        // About as much as the files before, or as what they have not yet.
        let progress = &self.options.progress;
        progress.begin(self.snapshot.bytes.max(self.snapshot.tail_bytes));
        let (mut data, mut extraction) = (
            |out: &mut dyn io::Write| enrichment::encode(state, &mut Counted { out, progress }),
            |out: &mut dyn io::Write| {
                extraction::encode(state, times.clone(), &mut Counted { out, progress })
            },
        );
        let mut companions: Vec<(&str, set::Write<'_>)> = Vec::new();
        if state.enrichment.is_some() {
            companions.push((enrichment::NAME, &mut data));
        }
        if state.extraction.is_some() {
            companions.push((extraction::NAME, &mut extraction));
        }
        set::Saving {
            disk: &*ports.disk,
            dir,
            log: Some(&place.id),
            quarantine: &dir.join(WAL).join(QUARANTINE),
            random: &mut || ports.process.random(),
            stamp,
            imported: &|file, sha256| {
                let is_edited = self.snapshot.edited.iter().any(|it| it.as_os_str() == file);
                !is_edited && strays::is_imported(state, sha256)
            },
            seen,
            discard_edits,
        }
        .save(&mut companions, &mut |companions, out| {
            let out = &mut Counted { out, progress };
            work_items::encode(state, place, companions, times.clone(), out).map(drop)
        })
    }
}

/// Refuses where something that is no regular file stands at a name that the snapshots of this state need.
fn stop_at_what_is_in_the_way(ports: &Ports, dir: &Path, state: &PipelineState) -> Result<()> {
    let data = state.enrichment.is_some().then_some(enrichment::NAME);
    let extracted = state.extraction.is_some().then_some(extraction::NAME);
    let companions: Vec<&str> = data.into_iter().chain(extracted).collect();
    match set::in_the_way(&*ports.disk, dir, &companions)?.first() {
        Some(found) => Err(set::NotAFile::error(dir.join(&found.file), &found.message)),
        None => Ok(()),
    }
}

/// Refuses where nothing can be kept of what is replaced.
fn stop_without_quarantine(ports: &Ports, dir: &Path) -> Result<()> {
    let quarantine = dir.join(WAL).join(QUARANTINE);
    match ports.disk.metadata(&quarantine) {
        Ok(found) if found.kind != EntryKind::Dir => {
            let refused = io::ErrorKind::NotADirectory.into();
            Err(Error::io("keep files in", quarantine)(refused))
        }
        _ => Ok(()),
    }
}

/// Whose file it was cannot be told where the root cannot be read: it may be what somebody has just edited.
fn set_aside_warning(copy: &str) -> Warning {
    // Behind its name stand a time and a random number.
    let file = copy.rsplitn(3, '.').nth(2).unwrap_or(copy);
    Warning::new(
        "W-SET-ASIDE",
        format!(
            "{file} belongs to no set that can be read, so it may be what somebody changed; it was replaced, and what stood there is kept in {WAL}/{QUARANTINE}/"
        ),
    )
}
