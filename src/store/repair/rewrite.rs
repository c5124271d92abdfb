//! What can be put right without a loss inside of segments: single bits, newlines, the order of lines.

use std::collections::BTreeSet;

use crate::error::{DamageKind, Result};
use crate::log::frame::{self, Crc};
use crate::log::header::LostRange;
use crate::log::look_for_order;
use crate::log::segment::Stop;
use crate::position::SegmentId;

use super::super::dir::{self, WAL};
use super::correct::{self, Flip};
use super::draft::Drafting;
use super::gather::{Known, gather};
use super::look::{Hurt, Look};
use super::rejoin::rejoin;
use super::{MAX_HELD, SeqRange, Step, StepKind};

impl Drafting<'_> {
    /// Corrects every single bit that can be; true if there was one.
    pub(super) fn correct(&mut self, look: &Look) -> Result<bool> {
        let mut any = false;
        for hurt in look.hurt.iter().filter(|hurt| hurt.finding.bytes > 0) {
            let damage = &hurt.finding.damage;
            let Some(segment) = damage.segment.and_then(|id| look.segment(id)) else {
                continue;
            };
            // It would be held in memory as a whole; hardly any is that long.
            if segment.len > MAX_HELD {
                continue;
            }
            // Bytes that were changed in this round are looked at again in the next.
            let mut bytes = dir::read_range(
                &self.ports,
                &self.log.segment_path(segment.id),
                0,
                segment.len,
            )?;
            let limit = usize::try_from(segment.limit())
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let seal = look.seal(segment.id).and_then(|header| header.prev);
            let by_snapshot = self
                .place
                .as_ref()
                .map(|place| (place.seq, Crc::new(place.crc32)));
            let last = match seal {
                Some(prev) if prev.valid_bytes.get() == limit as u64 => Some(prev.last_crc32),
                _ => by_snapshot
                    .filter(|(seq, _)| *seq == damage.seq)
                    .map(|(_, crc)| crc),
            };
            let found = correct::correct(&correct::Hurt {
                bytes: &bytes[..limit],
                start: usize::try_from(damage.offset.get())
                    .unwrap_or(usize::MAX)
                    .min(limit),
                seq: damage.seq,
                previous: hurt.previous,
                last,
            });
            let Some(Flip { at, bit, seq }) = found else {
                continue;
            };
            bytes[at] ^= 1 << bit;
            self.steps.push(Step {
                kind: StepKind::Correct,
                file: format!("{WAL}/{}", segment.id),
                byte: at as u64,
                bytes: 1,
                seqs: Some(SeqRange { from: seq, to: seq }),
                message: format!(
                    "record {seq} has one flipped bit (bit {bit} of this byte); its own checksum and what follows it attest the correction"
                ),
            });
            self.change(segment.id, bytes);
            any = true;
        }
        Ok(any)
    }

    /// Puts newlines back behind records that are whole but for them; true if there were any.
    pub(super) fn put_newlines_back(&mut self, look: &Look) -> Result<bool> {
        let mut changed = Vec::new();
        for hurt in look.hurt.iter().filter(|hurt| hurt.finding.bytes > 0) {
            let damage = &hurt.finding.damage;
            let Some(segment) = damage.segment.and_then(|id| look.segment(id)) else {
                continue;
            };
            // What stands behind a change may stand elsewhere now: that is for the next round.
            if segment.len > MAX_HELD || changed.contains(&segment.id) {
                continue;
            }
            let path = self.log.segment_path(segment.id);
            let bytes = dir::read_range(&self.ports, &path, 0, segment.len)?;
            let start = usize::try_from(damage.offset.get()).unwrap_or(usize::MAX);
            let Some(found) = rejoin(&bytes, start, damage.seq, hurt.previous) else {
                continue;
            };
            let (from, to) = (found.first, found.last);
            let message = if found.count == 1 {
                format!(
                    "record {from} is whole but for its newline, as its own checksum attests: the newline is put back"
                )
            } else {
                format!(
                    "{} of the records {from}..{to} are whole but for their newlines, as their own checksums attest: the newlines are put back",
                    found.count
                )
            };
            self.steps.push(Step {
                kind: StepKind::Correct,
                file: format!("{WAL}/{}", segment.id),
                byte: found.at as u64,
                bytes: 1,
                seqs: Some(SeqRange { from, to }),
                message,
            });
            changed.push(segment.id);
            self.change(segment.id, found.bytes);
        }
        Ok(!changed.is_empty())
    }

    /// Puts lines in order that all verify, and leaves copies out; true if there were any.
    pub(super) fn put_in_order(&mut self, look: &Look) -> Result<bool> {
        let mut steps = Vec::new();
        // From the last to the first: what is left out moves only what stands behind it.
        for hurt in look.hurt.iter().rev() {
            let DamageKind::Order(order) = hurt.finding.damage.kind else {
                continue;
            };
            let id = hurt.finding.damage.segment;
            let Some(segment) = id.and_then(|id| look.segment(id)) else {
                continue;
            };
            if segment.len > MAX_HELD {
                continue;
            }
            let Some((from, in_order)) = self.in_order(segment.id, hurt)? else {
                continue;
            };
            let path = self.log.segment_path(segment.id);
            let bytes = dir::read_range(&self.ports, &path, 0, segment.len)?;
            let to = from + usize::try_from(hurt.finding.bytes).unwrap_or(usize::MAX);
            let (Some(before), Some(behind)) = (bytes.get(..from), bytes.get(to..)) else {
                continue;
            };
            let written = [before, &*in_order, behind].concat();
            let done = match order {
                _ if order.moved.is_none() && order.copies == 1 => "the copy is left out",
                _ if order.moved.is_none() => "the copies are left out",
                _ if order.copies == 0 => "they are put in order, as each names the one before it",
                _ => {
                    "they are put in order, as each names the one before it, and copies are left out"
                }
            };
            steps.push(Step {
                kind: StepKind::Order,
                file: format!("{WAL}/{}", segment.id),
                byte: hurt.finding.damage.offset.get(),
                bytes: hurt.finding.bytes,
                seqs: order
                    .moved
                    .map(|(from, to)| SeqRange { from, to })
                    .or(order.twice.map(|twice| SeqRange {
                        from: twice,
                        to: twice,
                    })),
                message: format!("{order}: {done}; nothing is lost"),
            });
            self.change(segment.id, written);
        }
        let any = !steps.is_empty();
        self.steps.extend(steps.into_iter().rev());
        Ok(any)
    }

    /// Leaves out what stands between two records of which the second names the first, and makes the file longer than it was; true
    /// if there was any.
    pub(super) fn leave_out(&mut self, look: &Look) -> Result<bool> {
        let mut any = false;
        // From the last to the first: what is left out moves only what stands behind it.
        for hurt in look.hurt.iter().rev() {
            let (damage, len) = (&hurt.finding.damage, hurt.finding.bytes);
            let between = hurt.finding.to_seq == Some(damage.seq.before()) && len > 0;
            let Some(segment) = damage.segment.and_then(|id| look.segment(id)) else {
                continue;
            };
            let longer = segment
                .sealed
                .is_none_or(|end| segment.len >= end.get() + len);
            // Where the survey went on behind the seal, for such bytes move the end, they have to go; and inside of a group nothing
            // can be passed over, nor was a seal ever set behind it.
            let behind = segment.sealed.is_some_and(|end| segment.len > end.get());
            let inserted = matches!(damage.kind, DamageKind::Inserted(_));
            let longer = longer || inserted && (behind || hurt.in_group);
            if !between || !longer || segment.len > MAX_HELD {
                continue;
            }
            let path = self.log.segment_path(segment.id);
            let mut bytes = dir::read_range(&self.ports, &path, 0, segment.len)?;
            let from = usize::try_from(damage.offset.get()).unwrap_or(usize::MAX);
            let to = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
            let line = bytes
                .get(to..)
                .and_then(|rest| rest.split(|&byte| byte == b'\n').next());
            let next = line.and_then(|line| frame::parse(line).ok());
            let follows = next.is_some_and(|next| {
                next.seq == damage.seq && hurt.previous.is_none_or(|crc| crc == next.previous)
            });
            // Records among them stand in the wrong place, and may have none other.
            let between = bytes.get(from..to).unwrap_or_default();
            let mut lines = between.split(|&byte| byte == b'\n');
            if !follows || lines.any(|line| frame::parse(line).is_ok()) {
                continue;
            }
            bytes.drain(from..to);
            self.steps.push(Step {
                kind: StepKind::Order,
                file: format!("{WAL}/{}", segment.id),
                byte: damage.offset.get(),
                bytes: len,
                seqs: None,
                message: format!(
                    "{len} bytes that are no record, and record {} behind them names the one in front of them: they are left out; nothing is lost",
                    damage.seq
                ),
            });
            self.change(segment.id, bytes);
            any = true;
        }
        Ok(any)
    }

    /// Puts segments together whose records are all there, with other bytes among them or in front of what was given up; true if
    /// there were any.
    pub(super) fn put_together(&mut self, look: &Look) -> Result<bool> {
        let hurt: BTreeSet<SegmentId> = look
            .hurt
            .iter()
            .filter_map(|hurt| hurt.finding.damage.segment)
            .collect();
        let mut any = false;
        for id in hurt {
            let Some(segment) = look.segment(id).filter(|it| it.len <= MAX_HELD) else {
                continue;
            };
            let seal = look.seal(id).and_then(|header| header.prev);
            let seal = seal.filter(|seal| segment.sealed == Some(seal.valid_bytes));
            let path = self.log.segment_path(id);
            let bytes = dir::read_range(&self.ports, &path, 0, segment.len)?;
            let given_up: Vec<LostRange> = look.given_up_of(id).copied().collect();
            let Some(written) = gather(&Known {
                bytes: &bytes,
                first: id.first_seq(),
                previous: (id == SegmentId::FIRST).then_some(Crc::NONE),
                given_up: &given_up,
                seal,
                next: look.next_of(id),
            }) else {
                continue;
            };
            let what = match bytes.len().saturating_sub(written.len()) {
                0 => "they are put in order".to_owned(),
                left => format!(
                    "they are put in order, and {left} bytes that are none of them are left out"
                ),
            };
            self.steps.push(Step {
                kind: StepKind::Order,
                file: format!("{WAL}/{id}"),
                byte: 0,
                bytes: segment.len,
                seqs: None,
                message: format!("its records are all there, as each names the one before it: {what}; nothing is lost"),
            });
            self.change(id, written);
            any = true;
        }
        Ok(any)
    }

    /// Where the lines begin that are not in order, and their bytes in order.
    fn in_order(&self, id: SegmentId, hurt: &Hurt) -> Result<Option<(usize, Vec<u8>)>> {
        let damage = &hurt.finding.damage;
        let path = self.log.segment_path(id);
        let stop = Stop {
            offset: damage.offset,
            seq: damage.seq,
            line: damage.offset,
            fault: Some(DamageKind::Sequence),
        };
        let look = || {
            let file = self.ports.disk.open_read(&path)?;
            look_for_order(&*file, &stop, hurt.previous, file.len()?)
        };
        let found = look().map_err(crate::error::Error::io("read", &path))?;
        // The survey saw the same lines; if not, they are nobody's to move.
        let found = found.filter(|found| {
            DamageKind::Order(found.order) == damage.kind && found.len as u64 == hurt.finding.bytes
        });
        let from = usize::try_from(damage.offset.get()).unwrap_or(usize::MAX);
        Ok(found.map(|found| {
            let lines = found.lines.iter().map(|place| &found.bytes[place.clone()]);
            (from, lines.collect::<Vec<_>>().concat())
        }))
    }
}
