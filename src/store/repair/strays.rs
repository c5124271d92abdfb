//! Files among the segments that are none: of no log, of another history, or found again after they were given up.

use std::collections::BTreeSet;

use crate::error::{DamageKind, Result};
use crate::log::frame;
use crate::position::{SegmentId, Seq};

use super::super::dir::{self, WAL};
use super::draft::Drafting;
use super::look::Look;
use super::{MAX_HELD, SeqRange, Step, StepKind, effect};

impl Drafting<'_> {
    /// Sets files aside that the headers behind them pass over. Which of two histories counts nobody knows but a person: what a
    /// record of such a file says is given up only when that is typed. True if there were any.
    fn out_of_place(&mut self, look: &Look) -> Result<bool> {
        let mut any = false;
        for hurt in &look.hurt {
            let damage = &hurt.finding.damage;
            let (Some(id), DamageKind::OutOfPlace { by, before }) = (damage.segment, &damage.kind)
            else {
                continue;
            };
            let path = self.log.segment_path(id);
            let len = hurt.finding.bytes;
            let bytes = dir::read_range(&self.ports, &path, 0, len.min(MAX_HELD))?;
            let lines = bytes.split(|&byte| byte == b'\n');
            let records = lines.filter_map(|line| frame::parse(line).ok());
            let seqs: BTreeSet<Seq> = records.map(|frame| frame.seq).collect();
            let seqs = seqs.first().zip(seqs.last());
            let seqs = seqs.map(|(&from, &to)| SeqRange {
                from,
                // Of a longer one only the beginning was read.
                to: if len > MAX_HELD {
                    to.max(by.first_seq().before())
                } else {
                    to
                },
            });
            let holds = match seqs {
                Some(seqs) => format!(
                    "it goes into quarantine, with {} of that history; if that is the one to keep, move {WAL}/{by} out of {WAL}/ instead",
                    seqs.told()
                ),
                None => "it holds no record, and goes into quarantine".to_owned(),
            };
            self.steps.push(Step {
                kind: StepKind::SetAside,
                file: format!("{WAL}/{id}"),
                byte: 0,
                bytes: len,
                seqs,
                message: format!(
                    "the header of {WAL}/{by} names {WAL}/{before} as the segment before it, so this file is of another history, or was put back after a repair had given it up: {holds}"
                ),
            });
            self.displaced.extend(seqs);
            self.displaced_hints.extend(effect::hints(&bytes));
            self.overlay.remove(path.clone());
            self.set_aside.push(path);
            any = true;
        }
        Ok(any)
    }

    /// Sets files aside that have a segment's name and are none: where they would begin another segment has its records,
    /// and nothing in them is one. True if there were any.
    pub(super) fn strays(&mut self, look: &Look) -> Result<bool> {
        let mut any = self.out_of_place(look)?;
        // The segment before with the highest record.
        let mut holder: Option<(Seq, SegmentId)> = None;
        for segment in &look.segments {
            let (id, first) = (segment.id, segment.id.first_seq());
            if segment.header.is_some() && holder.is_none_or(|(last, _)| segment.last > last) {
                holder = Some((segment.last, id));
            }
            if segment.header.is_some() || segment.len > MAX_HELD || id == SegmentId::FIRST {
                continue;
            }
            let holds = holder.filter(|(last, _)| *last >= first);
            let why = match holds.map(|(_, holder)| holder) {
                Some(holder) => format!("record {first} stands in {WAL}/{holder}"),
                None if first.is_beyond_reach() => "no log comes so far".to_owned(),
                None => continue,
            };
            let path = self.log.segment_path(id);
            let bytes = dir::read_range(&self.ports, &path, 0, segment.len)?;
            let mut lines = bytes.split(|&byte| byte == b'\n');
            if lines.any(|line| frame::parse(line).is_ok()) {
                continue;
            }
            self.steps.push(Step {
                kind: StepKind::SetAside,
                file: format!("{WAL}/{id}"),
                byte: 0,
                bytes: segment.len,
                seqs: None,
                message: format!(
                    "no segment begins here, for {why}, and it holds no record: it goes into quarantine"
                ),
            });
            self.overlay.remove(path.clone());
            self.set_aside.push(path);
            any = true;
        }
        Ok(any)
    }
}
