//! A walk that only wants the records in which certain texts stand: on a sound log it reads them on all cores.

use std::path::Path;

use memchr::memmem::Finder;

use super::{Found, Ground, Raw, Walker, walk};
use crate::error::Result;
use crate::log::reader::{Access, Log};
use crate::log::sweep::Swept;
use crate::ports::Ports;
use crate::position::Seq;
use crate::store::{Options, dir};

/// As [`walk`], but may leave out records that hold none of `needles`. Every line is verified all the same, and what
/// cannot be read is given as `walk` gives it.
///
/// # Errors
/// As [`walk`].
pub fn walk_naming(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    ground: &Ground,
    through: Seq,
    needles: &[Finder<'_>],
    walker: &mut Walker<'_>,
) -> Result<()> {
    let log = dir::check(ports, dir, options)?;
    // A place that cannot be read is shown among the records: only a walk that sees all of them knows where.
    let records = ground
        .failure
        .is_none()
        .then(|| find(&log, ground, needles));
    let Some(records) = records.flatten() else {
        return walk(ports, dir, options, ground, through, walker);
    };
    for record in records.iter().take_while(|record| record.seq <= through) {
        let raw = Raw {
            seq: record.seq,
            crc: record.crc,
            payload: &record.payload,
        };
        if !walker(Found::Record(raw)) {
            break;
        }
    }
    Ok(())
}

/// The records that hold one of the needles; `None` if the log is not sound, or too small to be worth it.
fn find(log: &Log, ground: &Ground, needles: &[Finder<'_>]) -> Option<Vec<Swept>> {
    let (mut records, rest) = log.sweep(needles)?;
    let holds = |payload: &str| {
        let mut needles = needles.iter();
        needles.any(|needle| needle.find(payload.as_bytes()).is_some())
    };
    let read = log.read(
        rest,
        ground.witnesses,
        Access::ReadOnly,
        false,
        &mut |entry| {
            if holds(entry.frame.payload) {
                records.push(Swept {
                    seq: entry.frame.seq,
                    crc: entry.frame.crc,
                    payload: entry.frame.payload.to_owned(),
                });
            }
            Ok(())
        },
    );
    read.ok().map(|_| records)
}
