//! A glance under the append lock: no name changed since they were listed, so the end of one segment is all there is to read.
//!
//! ```text
//!   the directory as it was when its names were listed, and no successor by the name that it would have
//!     -> what others appended is whole lines, with nothing behind them      -> caught up
//!   anything else                                                           -> a pass, which lists the names and judges
//! ```
//!
//! To list the names takes longer the more segments there are, and a log keeps all of them. A system's time of change may be
//! coarse, so that two changes look like one. So a successor is looked for by its name as well: it is called after the
//! first seq in it, which is the one behind the last record. Only a repair may begin one elsewhere; it moves the time of change
//! before it gives its lock back ([`show_change`]).

use super::cursor::Cursor;
use super::deliver;
use super::files;
use super::reader::{Log, Sink, Witnesses};
use super::trouble::Trouble;
use super::window::Window;
use crate::error::Error;
use crate::faults::{self, Fault};
use crate::ports::{EntryKind, File, FileId, Ports};
use crate::position::SegmentId;

/// What `wal/` was when its names were looked at: as long as it is the same, so are they.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    dir: FileId,
    changed: u64,
}

impl Names {
    /// Looks at `wal/`; to be called before its names are listed. `None` if the path leads to something else than a directory
    /// itself, or to nothing: then nobody can tell.
    pub(super) fn look(log: &Log) -> Option<Self> {
        let found = log.ports.disk.metadata(&log.wal).ok()?;
        (found.kind == EntryKind::Dir).then_some(Self {
            dir: found.id,
            changed: found.changed,
        })
    }
}

/// Reads what was appended to the last segment, through byte `len`. True if that is all there is; else a pass goes on
/// from the cursor.
pub(super) fn glance(
    log: &Log,
    witnesses: Witnesses,
    cursor: &mut Cursor,
    file: &dyn File,
    len: u64,
    sink: &mut Sink<'_>,
) -> Result<bool, Trouble> {
    let given_up = |cursor: &Cursor| !cursor.lost.of(cursor.segment).is_empty();
    if len < cursor.scan.offset().get() || given_up(cursor) {
        return Ok(false);
    }
    if len > cursor.scan.offset().get() {
        let stop = deliver::scan(log, &mut Window::default(), cursor, file, len, sink)?;
        if stop.fault.is_some() || stop.offset.get() != len {
            return Ok(false);
        }
    }
    let next = cursor.scan.next();
    if witnesses.strongest().seq >= next {
        return Ok(false);
    }
    if faults::on(Fault::WritesBehindASeal) {
        return Ok(true);
    }
    let successor = log.segment_path(SegmentId::starting_at(next));
    let there = log.ports.disk.exists(&successor);
    let there = there.map_err(|error| Trouble::Final(Error::io("look at", successor)(error)))?;
    Ok(!there)
}

/// Sees to it that the directory's time of change is another than `before`: whoever has the log open then looks at its names
/// again. Where that cannot be done they are as good as before.
pub fn show_change(ports: &Ports, log: &Log, before: Option<u64>) {
    // A clock that is read at each change ticks every few milliseconds; each try takes some microseconds.
    const TRIES: usize = 100_000;
    let name = SegmentId::FIRST.file_name();
    for _ in 0..TRIES {
        let same = before.is_some() && changed(log) == before;
        // It goes away at once.
        if !same || files::Temp::create(ports, &log.wal, &name).is_err() {
            break;
        }
    }
}

/// The time of change of `wal/`, as a number; `None` if it cannot be told.
pub fn changed(log: &Log) -> Option<u64> {
    Names::look(log).map(|names| names.changed)
}
