//! What a survey tells a repair: segments, what is hurt, and what is attested.

use std::collections::BTreeMap;

use crate::error::{Damage, DamageKind, Error, Result, Witness};
use crate::log::frame::Crc;
use crate::log::group;
use crate::log::header::{LostRange, SegmentHeader};
use crate::log::reader::{Entry, Log, Witnesses};
use crate::log::survey::{Survey, SurveyEnd};
use crate::log::{Finding, Severity, tail};
use crate::position::{Offset, SegmentId, Seq};

use super::super::recovery;
use super::{SeqRange, loss};

/// Everything that was surveyed.
pub(super) struct Look {
    pub(super) segments: Vec<Segment>,
    pub(super) hurt: Vec<Hurt>,
    /// For each segment the first whose header says where it ends, as its place among all.
    seals: BTreeMap<SegmentId, usize>,
    /// The tail that a crash cut off.
    pub(super) torn: Option<Finding>,
    pub(super) end: SurveyEnd,
    /// The segment of the last record that can be read.
    pub(super) last_in: Option<SegmentId>,
    /// Where what can be read of the last segment ends: behind its last record, if there is one.
    pub(super) valid_bytes: Offset,
    /// The highest seq that any record that can be read attests.
    pub(super) durable: Seq,
    /// The records that can be read.
    pub(super) readable: Vec<SeqRange>,
}

/// A segment's file.
pub(super) struct Segment {
    pub(super) id: SegmentId,
    pub(super) len: u64,
    /// Where its successor says that it ends.
    pub(super) sealed: Option<Offset>,
    pub(super) header: Option<SegmentHeader>,
    /// The last record in it that can be read.
    pub(super) last: Seq,
}

impl Segment {
    /// Where its bytes end that count.
    pub(super) fn limit(&self) -> u64 {
        self.sealed.map_or(self.len, Offset::get)
    }
}

/// A range that cannot be read.
pub(super) struct Hurt {
    pub(super) finding: Finding,
    /// The checksum of the record before it; `None` if nobody knows it.
    pub(super) previous: Option<Crc>,
    /// It stands inside of a group whose records are all there.
    pub(super) in_group: bool,
}

struct Looking {
    segments: Vec<Segment>,
    hurt: Vec<Hurt>,
    torn: Option<Finding>,
    last_in: Option<SegmentId>,
    /// Where the last record ends.
    last_end: Option<Offset>,
    durable: Seq,
    last: (Seq, Crc),
    group: Option<Group>,
    readable: Vec<SeqRange>,
}

/// A group whose last line has not come yet.
struct Group {
    offset: Offset,
    first: Seq,
    previous: Crc,
    fault: Option<Damage>,
}

impl Look {
    /// Surveys the log. Nobody may write meanwhile.
    pub(super) fn at(log: &Log, witnesses: Witnesses) -> Result<Self> {
        let mut looking = Looking {
            segments: Vec::new(),
            hurt: Vec::new(),
            torn: None,
            last_in: None,
            last_end: None,
            durable: Seq::NONE,
            last: (Seq::NONE, Crc::NONE),
            group: None,
            readable: Vec::new(),
        };
        let end = log.survey(witnesses, true, &mut |what| looking.take(&what))?;
        let Looking {
            segments,
            hurt,
            torn,
            last_in,
            last_end,
            durable,
            readable,
            ..
        } = looking;
        let records_end = last_end.filter(|_| last_in == Some(end.segment));
        let records_end = records_end.unwrap_or(Offset::START);
        // Several places behind it may be hurt, with nothing between them that counts.
        let behind = hurt
            .iter()
            .map(|hurt| &hurt.finding.damage)
            .filter(|damage| damage.segment == Some(end.segment))
            .map(|damage| damage.offset)
            .filter(|&offset| offset >= records_end);
        let valid_bytes = behind.fold(end.offset, Offset::min);
        let mut seals = BTreeMap::new();
        for (place, segment) in segments.iter().enumerate() {
            if let Some(prev) = segment.header.as_ref().and_then(|header| header.prev) {
                seals.entry(prev.segment).or_insert(place);
            }
        }
        Ok(Self {
            segments,
            hurt,
            seals,
            torn,
            end,
            last_in,
            valid_bytes,
            durable,
            readable,
        })
    }

    pub(super) fn segment(&self, id: SegmentId) -> Option<&Segment> {
        // They were come upon in their order.
        let place = self
            .segments
            .binary_search_by_key(&id, |segment| segment.id);
        place.ok().map(|place| &self.segments[place])
    }

    /// What was given up of a segment before, as the last header says it that says anything of it; in the order of its places.
    pub(super) fn given_up_of(&self, id: SegmentId) -> impl Iterator<Item = &LostRange> {
        self.end.lost.iter().filter(move |lost| lost.segment == id)
    }

    /// The first seq of the segment behind another: of the one that is there, or the one that its header names and that is gone.
    pub(super) fn next_of(&self, id: SegmentId) -> Option<Seq> {
        let behind = self.segments.partition_point(|segment| segment.id <= id);
        let next = self.segments.get(behind)?;
        let named = next.header.as_ref().and_then(|header| header.prev);
        let gone = named.map(|prev| prev.segment).filter(|&gone| gone > id);
        Some(gone.unwrap_or(next.id).first_seq())
    }

    /// The header that attests where a segment ends.
    pub(super) fn seal(&self, id: SegmentId) -> Option<&SegmentHeader> {
        let place = *self.seals.get(&id)?;
        self.segments[place].header.as_ref()
    }
}

impl Looking {
    fn take(&mut self, what: &Survey<'_>) -> Result<()> {
        match what {
            Survey::Segment(facts) => {
                self.group = None;
                if let Some(prev) = facts.header.and_then(|header| header.prev) {
                    self.durable = self.durable.max(prev.last_seq);
                }
                self.segments.push(Segment {
                    id: facts.id,
                    len: facts.file_bytes,
                    sealed: facts.sealed_at,
                    header: facts.header.cloned(),
                    last: Seq::NONE,
                });
            }
            Survey::Record(entry) => self.record(entry)?,
            Survey::Finding(finding) => match finding.severity {
                // What the system refuses is no verdict, and nothing is given up for it.
                Severity::Unreadable => return Err(finding.refused()),
                // What stands there is not ours to replace: a person puts the file back.
                Severity::Damaged if finding.damage.kind == DamageKind::NoFile => {
                    return Err(Error::Damaged(Box::new(finding.damage.clone())));
                }
                Severity::Damaged | Severity::Ambiguous => {
                    let follows = self.last.0.next() == finding.damage.seq;
                    let previous = follows.then_some(self.last.1);
                    self.hurt.push(Hurt {
                        finding: (*finding).clone(),
                        previous,
                        // Only groups that are whole come, with what was put between their records.
                        in_group: self.group.is_some(),
                    });
                }
                Severity::Torn(_) => self.torn = Some((*finding).clone()),
                Severity::InFlight | Severity::Sealed | Severity::Beyond | Severity::GivenUp => {}
            },
        }
        Ok(())
    }

    fn record(&mut self, entry: &Entry<'_>) -> Result<()> {
        let (frame, offset) = (entry.frame, entry.offset);
        let group = self.group.get_or_insert(Group {
            offset,
            first: frame.seq,
            previous: self.last.1,
            fault: None,
        });
        match recovery::decode(entry) {
            Ok(_) => {}
            Err(Error::Damaged(mut damage)) => {
                damage.items = tail::items(frame.payload.as_bytes());
                group.fault.get_or_insert(*damage);
            }
            Err(error) => return Err(error),
        }
        loss::extend(&mut self.readable, frame.seq);
        self.last = (frame.seq, frame.crc);
        self.last_in = Some(entry.segment);
        self.last_end = Some(offset.plus(frame.encoded_len()));
        if let Some(segment) = self.segments.last_mut() {
            segment.last = frame.seq;
        }
        self.durable = self.durable.max(frame.durable);
        if group::is_more(frame.payload) {
            return Ok(());
        }
        let end = offset.plus(frame.encoded_len());
        if let Some(Group {
            offset,
            first,
            previous,
            fault: Some(damage),
        }) = self.group.take()
        {
            // What verifies and is no event stops every fold; its group goes with it.
            let bytes = end.get().saturating_sub(offset.get());
            let damage = Damage {
                offset,
                seq: first,
                witness: Some(Witness::Record(frame.seq)),
                kind: match damage.kind {
                    DamageKind::Payload(what) => DamageKind::Payload(what),
                    kind => kind,
                },
                ..damage
            };
            let to_seq = Some(frame.seq);
            let finding = Finding {
                damage,
                bytes,
                to_seq,
                severity: Severity::Damaged,
            };
            self.hurt.push(Hurt {
                finding,
                previous: Some(previous),
                in_group: false,
            });
        }
        Ok(())
    }
}
