//! Reads a whole cache, without a lock: it counts if it is the same, and clean, before and after.
//!
//! Whoever changes it meanwhile marks it unclean first and counts one further at the end; and each block and text that is
//! newer than the header that was read is none.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::thread;

use super::base::CacheBase;
use super::block::{self, NUMBERS};
use super::open::{clean_header, fits};
use super::rows::{Moving, Still};
use super::window::Window;
use super::{End, boot, stamp};
use crate::log::reader::Log;
use crate::pipeline::state::Packed;
use crate::pipeline::{PipelineState, row};
use crate::ports::{File, Ports};
use crate::store::facts::SnapshotFacts;

/// How often it is tried beside somebody who changes it.
const TRIES: usize = 3;

/// Fewer items than this are not worth a thread.
const ITEMS_A_THREAD: usize = 10_000;

/// All that a cache holds.
pub(in crate::store) struct Loaded {
    /// Where it ends.
    pub(in crate::store) end: End,
    /// The state there, all in memory.
    pub(in crate::store) state: PipelineState,
    /// What is known of the snapshots.
    pub(in crate::store) facts: SnapshotFacts,
}

/// Reads the cache of a store, if there is one that counts. Takes no lock and writes nothing.
pub(in crate::store) fn load(ports: &Ports, dir: &Path, log: &Log) -> Option<Loaded> {
    for _ in 0..TRIES {
        match try_load(ports, dir, log) {
            Ok(Some(loaded)) => return Some(loaded),
            // Another look finds none either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            _ => {}
        }
    }
    None
}

fn try_load(ports: &Ports, dir: &Path, log: &Log) -> io::Result<Option<Loaded>> {
    let disk = &*ports.disk;
    let file: Box<dyn File> = disk.open_read(&super::path(dir))?;
    let Some(header) = clean_header(ports, &*file)? else {
        return Ok(None);
    };
    let base = CacheBase::new(file.into(), header);
    let text = |at| base.text(at).map(|(_, text)| text);
    let moving: Moving = serde_json::from_slice(&text(base.header.moving)?)?;
    let still: Still = serde_json::from_slice(&text(base.header.still)?)?;
    let operations = row::decode_operations(&text(base.header.operations)?);
    let Some(end) = moving.end() else {
        return Ok(None);
    };
    let segment = disk.open_read(&log.segment_path(end.position.segment))?;
    let agrees = || -> io::Result<bool> {
        Ok(segment.id()? == end.file
            && stamp::holds(ports, log, &base)?
            && moving.stamps().hold(disk, dir)
            && fits(log, &*segment, &end.position))
    };
    // Asked before the items are read, which takes long where there are many; what counts is the answer afterwards.
    if !agrees()? {
        return Ok(None);
    }
    if !boot::counts(ports, log, &base, &end, false) {
        return Ok(None);
    }
    let items = items(&base)?;
    if !agrees()? || clean_header(ports, &*base.file)?.as_ref() != Some(&base.header) {
        return Ok(None);
    }
    let mut state = PipelineState::from_distinct(still.plan(), items);
    state.op_ids = operations.ok_or_else(block::damaged)?;
    still.put_into(&mut state);
    let facts = moving.put_into(&mut state);
    let whole = state.last_seq == end.position.last_seq();
    Ok(whole.then_some(Loaded { end, state, facts }))
}

/// Every item, in order.
fn items(base: &CacheBase) -> io::Result<Vec<Packed>> {
    let count = base.header.count;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let parts = cores.min(count / ITEMS_A_THREAD).max(1);
    let each = count.div_ceil(parts).next_multiple_of(NUMBERS);
    let mut ranges =
        (0..parts).map(|part| (part * each).min(count)..((part + 1) * each).min(count));
    thread::scope(|scope| {
        let first = ranges.next().unwrap_or(0..count);
        let helpers: Vec<_> = ranges
            .map(|range| scope.spawn(|| items_in(base, range, Vec::new())))
            .collect();
        let mut items = items_in(base, first, Vec::with_capacity(count))?;
        for helper in helpers {
            match helper.join() {
                Ok(more) => items.append(&mut more?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(items)
    })
}

/// The items of a range that begins with a block of the directory, behind those that are there.
fn items_in(
    base: &CacheBase,
    range: Range<usize>,
    mut items: Vec<Packed>,
) -> io::Result<Vec<Packed>> {
    let (header, tie) = (&base.header, base.header.tie());
    let layout = header.layout();
    items.reserve(range.len());
    let mut window = Window::of(&*base.file);
    for first in range.clone().step_by(NUMBERS) {
        let places = base.numbers(layout.directory_block(first))?;
        let here = range.end.min(first + NUMBERS) - first;
        for &place in &places[..here] {
            let read = |text: &[u8]| Packed::read(text, header.phases);
            let item = match tie.text_at(place, window.at(place)?) {
                Some(text) => read(text),
                // It goes on behind the window.
                None => read(&base.text(place)?.1),
            };
            items.push(item.ok_or_else(block::damaged)?);
        }
    }
    Ok(items)
}
