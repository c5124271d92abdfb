//! What is shown stays shown: a reader makes durable what it read before it tells anybody.

use std::io;

use crate::error::{Error, Result};
use crate::log::poison;
use crate::log::reader::{Log, LogEnd};
use crate::ports::Ports;
use crate::position::Seq;

/// Why what was read cannot be promised to stay.
pub(super) struct Unproven {
    /// The highest record that is known durable all the same.
    pub(super) known: Seq,
    /// Why not more.
    pub(super) why: String,
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

/// The file system takes no sync (it is read-only), which is no failure of one.
fn cannot_sync(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::PermissionDenied
    )
}
