//! Files among the segments that the headers behind them pass over.
//!
//! ```text
//! 19.wal   29.wal   1000029.wal: the segment before it is 19.wal      29.wal is no part of this log
//! ```
//!
//! A writer goes on behind the highest segment there is. So a file between one and that which its header names as the one before
//! it was put there later: it is of another history, or was given up by a repair and found again.

use std::collections::BTreeMap;

use super::super::trouble::{file_name, is_file, out_of_place};
use super::{Severity, SurveySink, Surveyor};
use crate::error::{Error, Result};
use crate::log::header::LogId;
use crate::position::SegmentId;

/// A header that passes a file over.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassedOver {
    /// The segment that it begins.
    by: SegmentId,
    /// The segment that it names as the one before it.
    before: SegmentId,
}

impl Surveyor<'_> {
    /// Finds the files that are no part of the log `ours`.
    pub(super) fn passed_over(
        &mut self,
        ids: &[SegmentId],
        ours: Option<LogId>,
    ) -> Result<BTreeMap<SegmentId, PassedOver>> {
        let mut found = BTreeMap::new();
        let mut bound: Option<PassedOver> = None;
        for &id in ids.iter().rev() {
            let passed = bound.filter(|bound| bound.before < id);
            // Where the segment that it names is not there, this may be it, under another name.
            let passed = passed.filter(|bound| ids.binary_search(&bound.before).is_ok());
            if let Some(passed) = passed
                && is_file(self.log, id)
            {
                found.insert(id, passed);
                continue;
            }
            bound = match self.header(id) {
                Ok(Ok(header)) if ours.is_none_or(|log| log == header.log) => {
                    let before = header.prev.map(|prev| prev.segment);
                    before.map(|before| PassedOver { by: id, before })
                }
                // What the system refuses is told in its place.
                Ok(_) | Err(Error::Io { .. }) => None,
                Err(error) => return Err(error),
            };
        }
        Ok(found)
    }

    /// Reports a file that is no part of the log.
    pub(super) fn report_out_of_place(
        &mut self,
        id: SegmentId,
        PassedOver { by, before }: PassedOver,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        let path = self.log.segment_path(id);
        let there = self.log.ports.disk.metadata(&path);
        let there = there.map_err(Error::io("look at", file_name(id)))?;
        let damage = out_of_place(id, by, before);
        let none_missing = Some(id.first_seq().before());
        self.report(damage, there.len, none_missing, Severity::Damaged, sink)
    }
}
