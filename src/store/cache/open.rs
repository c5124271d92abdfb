//! Opens a cache and holds it against the log. Under the append lock: what is not clean then was left by a dead process.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::base::CacheBase;
use super::block::BLOCK;
use super::layout::Header;
use super::rows::{Moving, Still};
use super::{End, boot, save, stamp};
use crate::log::frame;
use crate::log::reader::{Log, Position};
use crate::pipeline::PipelineState;
use crate::ports::{File, Ports};
use crate::store::facts::SnapshotFacts;

/// An open cache that agrees with the log.
pub(in crate::store) struct Opened {
    base: Arc<CacheBase>,
    /// The segment it ends in, open for writing.
    pub(in crate::store) segment: Arc<dyn File>,
    /// Where it ends.
    pub(in crate::store) end: End,
    /// The state there.
    pub(in crate::store) state: PipelineState,
    /// What is known of the snapshots.
    pub(in crate::store) facts: SnapshotFacts,
}

/// How much of a segment is read to find the record that a cache ends with.
const LAST_RECORD: u64 = 4_096;

/// Opens the cache of a store. To be called under the append lock. `None` if there is none that counts.
pub(in crate::store) fn open(ports: &Ports, dir: &Path, log: &Log) -> Option<Opened> {
    let opened = open_whatever_snapshots(ports, dir, log)?;
    let stamps = opened.facts.stamps.as_ref();
    stamps
        .is_some_and(|stamps| stamps.hold(&*ports.disk, dir))
        .then_some(opened)
}

/// As [`open`], for who knows what stands at the names of the snapshots, which need not be what the cache knows of them.
pub(super) fn open_whatever_snapshots(ports: &Ports, dir: &Path, log: &Log) -> Option<Opened> {
    let disk = &*ports.disk;
    let mut base = clean_base(ports, dir)?;
    let moving: Moving = serde_json::from_slice(&base.text(base.header.moving).ok()?.1).ok()?;
    let end = moving.end()?;
    let segment: Arc<dyn File> = disk
        .open_write(&log.segment_path(end.position.segment))
        .ok()?
        .into();
    if !stamp::holds(ports, log, &base).ok()? {
        return None;
    }
    if segment.id().ok()? != end.file || !fits(log, &*segment, &end.position) {
        return None;
    }
    if !boot::take_over(ports, log, &mut base, &end) {
        return None;
    }
    let still: Still = serde_json::from_slice(&base.text(base.header.still).ok()?.1).ok()?;
    let plan = still.plan();
    if plan.phases().len() != base.header.phases {
        return None;
    }
    let base = Arc::new(base);
    let mut state = PipelineState::over(base.clone(), plan);
    still.put_into(&mut state);
    let facts = moving.put_into(&mut state);
    (state.last_seq == end.position.last_seq()).then_some(Opened {
        base,
        segment,
        end,
        state,
        facts,
    })
}

/// Where the cache that is there ends; `None` if there is none that counts on this boot.
pub(super) fn end_of(ports: &Ports, dir: &Path) -> Option<End> {
    let base = clean_base(ports, dir).filter(|base| boot::is_of_this(ports, base))?;
    let moving: Moving = serde_json::from_slice(&base.text(base.header.moving).ok()?.1).ok()?;
    let holds = moving.stamps().hold(&*ports.disk, dir);
    let stamped = stamp::holds(ports, &Log::new(ports.clone(), dir), &base).ok()?;
    moving.end().filter(|_| holds && stamped)
}

/// The file, if its header says that it counts.
pub(super) fn clean_base(ports: &Ports, dir: &Path) -> Option<CacheBase> {
    let file: Arc<dyn File> = ports.disk.open_write(&super::path(dir)).ok()?.into();
    let header = clean_header(ports, &*file).ok()??;
    Some(CacheBase::new(file, header))
}

/// The header, if it says that the cache counts, unless another boot wrote it: see `boot`. `None` where boots are not told apart.
pub(super) fn clean_header(ports: &Ports, file: &dyn File) -> io::Result<Option<Header>> {
    let mut block = [0; BLOCK];
    let whole = file.read_full_at(0, &mut block)? == BLOCK;
    let Some(header) = whole.then(|| Header::parse(&block)).flatten() else {
        return Ok(None);
    };
    let has_boots = ports.clock.now().boot.is_some();
    let counts = header.clean && has_boots && header.version == Header::own_version();
    Ok(counts.then_some(header))
}

/// True if the segment belongs to the same history, and the record that ends there is the one that was verified.
pub(super) fn fits(log: &Log, segment: &dyn File, position: &Position) -> bool {
    let header = log.header(position.segment);
    let same_history =
        header.is_some_and(|header| header.log == position.log && header.sha256 == position.sha256);
    same_history && ends_there(segment, position).unwrap_or(false)
}

fn ends_there(segment: &dyn File, position: &Position) -> io::Result<bool> {
    let end = position.offset.get();
    let mut wanted = LAST_RECORD;
    loop {
        let from = end.saturating_sub(wanted);
        let mut bytes = vec![0; usize::try_from(end - from).unwrap_or(0)];
        let read = segment.read_full_at(from, &mut bytes)?;
        if read < bytes.len() {
            return Ok(false);
        }
        let Some(lines) = bytes.strip_suffix(b"\n") else {
            return Ok(false);
        };
        let line = match memchr::memrchr(b'\n', lines) {
            Some(before) => &lines[before + 1..],
            None if from == 0 => lines,
            None if lines.len() > frame::MAX_LINE => return Ok(false),
            None => {
                wanted *= 8;
                continue;
            }
        };
        let parsed = frame::parse(line);
        return Ok(parsed.is_ok_and(|frame| {
            frame.seq == position.last_seq() && frame.crc == position.previous
        }));
    }
}

impl Opened {
    /// Takes into the cache what was read behind its end; `state` then stands on it. False if that failed: then nothing that the
    /// state says counts, and a new cache is due.
    pub(in crate::store) fn save(
        &mut self,
        end: &End,
        state: &mut PipelineState,
        facts: &SnapshotFacts,
    ) -> bool {
        if *end == self.end {
            return true;
        }
        match save::save(&self.base, state, end, facts) {
            Ok(Some(base)) => {
                self.base = Arc::new(base);
                self.end = end.clone();
                state.rebase(self.base.clone());
                true
            }
            _ => false,
        }
    }
}
