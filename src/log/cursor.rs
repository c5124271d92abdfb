//! The place of a reader between two records, and what it has learnt on the way there.

use super::frame::Crc;
use super::head::Sha256Hex;
use super::header::{LogId, SegmentHeader};
use super::lost::Lost;
use super::reader::{From, Position};
use super::segment::Scan;
use crate::position::{Offset, SegmentId, Seq};

/// Where a pass is. Moves only behind what the sink has taken, so that the next pass goes on from there.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) segment: SegmentId,
    pub(super) scan: Scan,
    pub(super) log: Option<LogId>,
    pub(super) sha256: Option<Sha256Hex>,
    pub(super) durable_seen: Seq,
    pub(super) name_proven: bool,
    pub(super) lost: Lost,
    /// The snapshot that reading began behind: the segment that it was taken just before, and what it says.
    pub(super) snapshot: Option<(SegmentId, Crc, LogId)>,
}

impl Cursor {
    pub(super) fn start(from: From) -> Self {
        match from {
            From::FirstRecord => Self::at(SegmentId::FIRST, Some(Crc::NONE)),
            From::AfterSnapshot { seq, crc, log } => {
                let segment = SegmentId::starting_at(seq.next());
                Self {
                    snapshot: Some((segment, crc, log)),
                    ..Self::at(segment, Some(crc))
                }
            }
            From::Position(position) => {
                let mut lost = Lost::default();
                lost.learn(position.segment, &position.lost);
                Self {
                    segment: position.segment,
                    scan: Scan::new(position.offset, position.next, Some(position.previous)),
                    log: Some(position.log),
                    sha256: position.sha256,
                    durable_seen: position.durable_seen,
                    name_proven: position.name_proven,
                    lost,
                    snapshot: None,
                }
            }
        }
    }

    /// The first byte of a segment.
    pub(super) fn at(segment: SegmentId, previous: Option<Crc>) -> Self {
        Self {
            segment,
            scan: Scan::new(Offset::START, segment.first_seq(), previous),
            log: None,
            sha256: None,
            durable_seen: Seq::NONE,
            name_proven: false,
            lost: Lost::default(),
            snapshot: None,
        }
    }

    pub(super) fn enter(&mut self, segment: SegmentId, previous: Option<Crc>) {
        self.segment = segment;
        self.scan = Scan::new(Offset::START, segment.first_seq(), previous);
        self.name_proven = false;
        self.sha256 = None;
    }

    /// Takes over what the header of its segment says.
    pub(super) fn learn(&mut self, header: &SegmentHeader) {
        self.log = Some(header.log);
        self.sha256 = header.sha256;
        if let Some(prev) = &header.prev {
            // The segment before was synced before this header was written.
            self.durable_seen = self.durable_seen.max(prev.last_seq);
        }
        self.learn_lost(self.segment, header);
    }

    /// Takes over the lost ranges in segments before the one that declares them in its header.
    pub(super) fn learn_lost(&mut self, id: SegmentId, header: &SegmentHeader) {
        self.lost.learn(id, &header.lost);
    }

    /// True if a header declared this segment's own header lost.
    pub(super) fn header_lost(&self, id: SegmentId) -> bool {
        let first = self.lost.of(id).first();
        first.is_some_and(|lost| lost.from_byte == Offset::START)
    }

    /// True if the segment was given up with its file, and all that followed it up to its successor.
    pub(super) fn segment_lost(&self, id: SegmentId, successor: SegmentId) -> bool {
        let through = self.lost.through(id.first_seq());
        through > id.first_seq() && through >= successor.first_seq()
    }

    /// The first seq from `from` on that was not given up.
    pub(super) fn lost_through(&self, from: Seq) -> Seq {
        self.lost.through(from)
    }

    pub(super) fn position(&self) -> Option<Position> {
        Some(Position {
            segment: self.segment,
            offset: self.scan.offset(),
            next: self.scan.next(),
            previous: self.scan.previous()?,
            log: self.log?,
            durable_seen: self.durable_seen,
            name_proven: self.name_proven,
            sha256: self.sha256,
            lost: self.lost.ranges().to_vec(),
        })
    }
}
