//! A segment that is not there: what attests that it was, or that it never was one of this log's.

use std::io;

use super::cursor::Cursor;
use super::frame::Crc;
use super::header::LogId;
use super::pass::Pass;
use super::reader::{Access, Log, Witnesses};
use super::tail::Attested;
use super::trouble::{Trouble, header_of, missing, read_header};
use crate::error::{Error, Result, Witness};
use crate::position::{SegmentId, Seq};

/// What a snapshot says of its place in the log.
struct Place {
    seq: Seq,
    crc: Crc,
    log: LogId,
}

/// Why nothing can be read at the cursor's segment, which is none of those that there are.
pub(super) fn gone(
    log: &Log,
    witnesses: Witnesses,
    ids: &[SegmentId],
    cursor: &Cursor,
) -> Result<Trouble, Trouble> {
    let id = cursor.segment;
    let before = id.first_seq().before();
    let snapshot = cursor.snapshot.filter(|&(segment, ..)| segment == id);
    if let Some((_, crc, of)) = snapshot {
        let place = Place {
            seq: before,
            crc,
            log: of,
        };
        if let Some(what) = another_history(log, ids, &place)? {
            let file = log.store.join("work_items.json");
            return Ok(Trouble::Bad(Error::OtherLog { file, what }));
        }
    }
    if let Some(successor) = ids.iter().copied().find(|&other| other > id) {
        return Ok(Trouble::Bad(missing(id, Witness::Name(successor))));
    }
    // The name itself is gone, and attests nothing any more.
    let Attested { seq, by } = witnesses.strongest();
    let witness = match snapshot {
        _ if seq >= id.first_seq() => by,
        // A snapshot is written when the segment behind it has begun.
        Some(_) => Witness::Snapshot(before),
        None => Witness::Record(cursor.scan.next().before()),
    };
    Ok(Trouble::Bad(missing(id, witness)))
}

/// What tells that a snapshot continues another history than this log's; `None` if nothing does.
///
/// The segment that the snapshot was taken before would begin with the proof. Without it the log's own record at the
/// snapshot's place is the proof, where some other segment holds that.
fn another_history(log: &Log, ids: &[SegmentId], place: &Place) -> Result<Option<String>, Trouble> {
    let Some(holder) = ids.iter().rposition(|id| id.first_seq() <= place.seq) else {
        return Ok(None);
    };
    let id = ids[holder];
    let path = log.segment_path(id);
    // Where this segment cannot be read there is no proof; what is wrong with it is told when it is read.
    let Ok(file) = log.ports.disk.open_read(&path) else {
        return Ok(None);
    };
    let refused = |error: io::Error| Trouble::Final(Error::io("read", &path)(error));
    let Ok((header, previous)) = header_of(&*file, id).map_err(refused)? else {
        return Ok(None);
    };
    if header.log != place.log {
        let what = format!(
            "its log is {}, the segments are of {}",
            place.log, header.log
        );
        return Ok(Some(what));
    }
    let mut limit = file.len().map_err(refused)?;
    if let Some(&successor) = ids.get(holder + 1)
        && let Ok(next) = read_header(log, successor).map_err(Trouble::Final)?
        && let Some(end) = next.prev.filter(|prev| prev.segment == id)
    {
        limit = limit.min(end.valid_bytes.get());
    }
    let mut cursor = Cursor::at(id, Some(previous));
    cursor.learn(&header);
    let (mut found, mut goes_on) = (None, false);
    let mut pass = Pass::new(log, Witnesses::default(), Access::ReadOnly, false);
    pass.run_over_lost(&mut cursor, &*file, limit, &mut |entry| {
        if entry.frame.seq == place.seq {
            found = Some(entry.frame.crc);
        }
        goes_on |= entry.frame.seq > place.seq;
        Ok(())
    })?;
    let Place { seq, crc, .. } = place;
    Ok(match found {
        Some(found) if found != *crc => Some(format!(
            "its record {seq} has the checksum {crc}, the log's has {found}"
        )),
        Some(_) if goes_on => Some(format!(
            "a segment begins behind its record {seq}, and the log goes on in {id}"
        )),
        _ => None,
    })
}
