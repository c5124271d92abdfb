//! Clearing the flag of a failed sync: what was verified is written to new files, and those are synced.
//!
//! ```text
//! each segment from the flagged one on:  link the old inode into quarantine/ -> copy its verified bytes -> sync -> rename
//! then:  sync the directories -> remove the flag
//! ```
//!
//! The old files cannot be trusted with another sync: Linux marked their pages clean, and on ext4 even a later
//! append to them can be lost. A crash between any two steps leaves the flag up, and the next writer begins again.

use std::io;

use super::cursor::Cursor;
use super::files::{self, QUARANTINE, Temp};
use super::header::LogId;
use super::pass::Pass;
use super::poison::{self, POISONED, Poison};
use super::reader::{Access, Log, Witnesses};
use super::trouble::{Trouble, read_header};
use super::window::Window;
use crate::error::{Error, Result};
use crate::faults::{self, Fault};
use crate::position::SegmentId;

/// Clears the flag. Call it under the append lock.
///
/// # Errors
/// [`Error::Damaged`] if the bytes that can be read do not go as far as what was acknowledged; [`Error::Poisoned`] if a
/// step failed. Either way the flag stays.
pub(super) fn clear(log: &Log, flag: &Poison, witnesses: Witnesses, id: LogId) -> Result<()> {
    let failed = |detail: String| Error::Poisoned {
        detail: format!("clearing it: {detail}"),
        written: false,
    };
    if let Some(what) = poison::in_its_place(&*log.ports.disk, &log.wal) {
        return Err(failed(what));
    }
    let distrusted: Vec<SegmentId> = log
        .segments()?
        .into_iter()
        .filter(|&segment| segment >= flag.segment)
        .collect();
    let witnesses = Witnesses {
        mark: witnesses.mark.max(flag.seq),
        ..witnesses
    };
    let ends = ends(log, &distrusted, witnesses, id)?;
    if !ends.is_empty() {
        let quarantine = log.ports.disk.ensure_own_dir(&log.wal.join(QUARANTINE));
        quarantine.map_err(|error| failed(format!("wal/{QUARANTINE}: {error}")))?;
    }
    rewrite(log, &ends).map_err(|error| failed(error.to_string()))
}

/// Where the verified bytes of each segment end.
fn ends(
    log: &Log,
    segments: &[SegmentId],
    witnesses: Witnesses,
    id: LogId,
) -> Result<Vec<(SegmentId, u64)>> {
    let Some(&first) = segments.first() else {
        return Ok(Vec::new());
    };
    let mut cursor = Cursor::at(first, None);
    cursor.log = Some(id);
    let pass = Pass::new(log, witnesses, Access::ReadOnly, true);
    let end = pass.run(&mut cursor, &mut None, &mut |_| Ok(()));
    let end = end.map_err(Trouble::into_error)?.position;
    let mut ends = Vec::new();
    for (&segment, &successor) in segments.iter().zip(&segments[1..]) {
        let attested = match read_header(log, successor)? {
            Ok(header) => header.prev.filter(|prev| prev.segment == segment),
            Err(_) => None,
        };
        let path = log.segment_path(segment);
        let whole = || log.ports.disk.metadata(&path).map(|file| file.len);
        let bytes = match attested {
            Some(prev) => prev.valid_bytes.get(),
            // Given up ranges are copied as they are: they stay given up.
            None => whole().map_err(Error::io("look at", &path))?,
        };
        ends.push((segment, bytes));
    }
    ends.push((end.segment, end.offset.get()));
    Ok(ends)
}

fn rewrite(log: &Log, ends: &[(SegmentId, u64)]) -> io::Result<()> {
    let disk = &*log.ports.disk;
    let quarantine = log.wal.join(QUARANTINE);
    for &(segment, bytes) in ends {
        if faults::on(Fault::ClearedWithoutReplacing) {
            continue;
        }
        let (name, path) = (segment.file_name(), log.segment_path(segment));
        let old = disk.open_read(&path)?;
        let (at, random) = (log.ports.clock.now().at, log.ports.process.random());
        disk.hard_link(
            &path,
            &quarantine.join(files::quarantine_name(&name, at, random)),
        )?;
        let copy = Temp::create(&log.ports, &log.wal, &name)?;
        let mut window = Window::default();
        let mut done = 0;
        while done < bytes {
            let (block, _) = window.at(&*old, done, bytes, 1)?;
            if block.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            copy.file().write_full_at(done, block)?;
            done += block.len() as u64;
        }
        copy.rename_to(&path)?;
    }
    if !ends.is_empty() {
        disk.sync_dir(&quarantine)?;
    }
    disk.sync_dir(&log.wal)?;
    match disk.remove_file(&log.wal.join(POISONED)) {
        // It could not be raised in the first place.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
