//! What is shown stays shown: a reader makes durable what it read before it tells anybody.

use std::cmp::Ordering;
use std::io;

use crate::error::{Error, Result};
use crate::faults::{self, Fault};
use crate::log::reader::{Log, LogEnd};
use crate::log::{files, poison};
use crate::ports::{Disk, EntryKind, File, Ports};
use crate::position::{SegmentId, Seq};

/// Why what was read cannot be promised to stay.
pub(super) struct Unproven {
    /// The highest record that is known durable all the same.
    pub(super) known: Seq,
    /// Why not more.
    pub(super) why: String,
}

impl Unproven {
    /// What could not be made durable, of what ends with `last`, and why.
    pub(super) fn words(&self, last: Seq) -> String {
        let (first, why) = (self.known.next(), &self.why);
        match first.cmp(&last) {
            Ordering::Less => format!("records {first}..{last} could not be made durable ({why})"),
            Ordering::Equal => format!("record {last} could not be made durable ({why})"),
            // Every record is; the name of the segment, say, is not.
            Ordering::Greater => format!("the log could not be made durable ({why})"),
        }
    }
}

/// Makes every record that was read durable, through the descriptor that was open before it was read.
///
/// # Errors
/// [`Error::NotAcknowledged`] if the sync failed; the flag is raised then, which is all that a reader ever writes.
pub(super) fn prove(
    ports: &Ports,
    log: &Log,
    end: &mut LogEnd,
) -> Result<std::result::Result<Seq, Unproven>> {
    let known = end.position.durable_seen.max(log.mark());
    let last = end.position.last_seq();
    if last <= known && end.position.name_proven {
        return Ok(Ok(last.max(known)));
    }
    let unproven = |why: String| {
        Ok(Err(Unproven {
            known: known.min(last),
            why,
        }))
    };
    if faults::on(Fault::ReaderDoesNotSync) {
        return Ok(Ok(last));
    }
    if let Err(error) = log.prove_name(&mut end.position) {
        return match error {
            Error::NotAcknowledged { source, .. } if cannot_sync(&source) => {
                unproven(source.to_string())
            }
            other => Err(other),
        };
    }
    if let Err(source) = end.file.sync() {
        if cannot_sync(&source) {
            return unproven(source.to_string());
        }
        return Err(log.poisoned_by(end.position.segment, known, source, None));
    }
    let wal = log.wal_dir();
    if poison::exists(&*ports.disk, wal).map_err(Error::io("look at", wal))? {
        return unproven("a sync of the log failed before".to_owned());
    }
    Ok(Ok(last))
}

/// The last segment, open since before anything was read.
pub(super) struct Held {
    segment: SegmentId,
    /// `None` if its name leads to something that is no file: then nothing was read from it.
    file: Option<Box<dyn File>>,
}

/// Opens the last segment, for [`prove_held`].
pub(super) fn hold(ports: &Ports, log: &Log) -> Result<Held> {
    let segments = log.segments()?;
    let segment = segments.last().copied().unwrap_or(SegmentId::FIRST);
    let path = log.segment_path(segment);
    let odd = |disk: &dyn Disk| {
        disk.metadata(&path)
            .is_ok_and(|found| found.kind != EntryKind::File)
    };
    let file = match ports.disk.open_read(&path) {
        Ok(file) => Some(file),
        Err(_) if odd(&*ports.disk) => None,
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    Ok(Held { segment, file })
}

/// As [`prove`], for a log whose end could not be reached: everything through `last` was read since `held` was opened.
pub(super) fn prove_held(
    ports: &Ports,
    log: &Log,
    held: &Held,
    last: Seq,
) -> Result<Option<Unproven>> {
    let known = log.mark().min(last);
    let unproven = |why: String| Ok(Some(Unproven { known, why }));
    let mut synced = held.file.as_ref().map_or(Ok(()), |file| file.sync());
    let store = log.store_dir();
    for dir in [log.wal_dir(), store, files::parent(store)] {
        synced = synced.and_then(|()| ports.disk.sync_dir(dir));
    }
    if let Err(source) = synced {
        if cannot_sync(&source) {
            return unproven(source.to_string());
        }
        return Err(log.poisoned_by(held.segment, known, source, None));
    }
    let wal = log.wal_dir();
    if poison::exists(&*ports.disk, wal).map_err(Error::io("look at", wal))? {
        return unproven("a sync of the log failed before".to_owned());
    }
    Ok(None)
}

/// The file system takes no sync (it is read-only), which is no failure of one.
fn cannot_sync(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::PermissionDenied
    )
}
