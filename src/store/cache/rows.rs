//! The two small texts of a cache: what seldom changes, and how far in the log it goes.

use serde::{Deserialize, Serialize};

use super::End;
use crate::log::frame::Crc;
use crate::log::head::Sha256Hex;
use crate::log::header::{LogId, LostRange};
use crate::log::reader::Position;
use crate::pipeline::json::{Extras, Json};
use crate::pipeline::state::{Companion, Document, ImportSource};
use crate::pipeline::time::SnapshotTimes;
use crate::pipeline::{PhasePlan, PipelineState, Plan, Timestamp};
use crate::ports::FileId;
use crate::position::{Offset, SegmentId, Seq};
use crate::snapshot::set::Stamps;
use crate::store::facts::SnapshotFacts;

/// What seldom changes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Still {
    plan: Vec<PhasePlan>,
    imports: Vec<ImportSource>,
    session: Option<Json>,
    started_at: Option<Timestamp>,
    times: SnapshotTimes,
    extras: Extras,
    enrichment: Option<Companion>,
    extraction: Option<Companion>,
}

impl Still {
    pub(super) fn of(state: &PipelineState) -> Self {
        let Document {
            session,
            started_at,
            times,
            extras,
        } = state.document.clone();
        Self {
            plan: state.plan.phases().to_vec(),
            imports: state.imports.clone(),
            session,
            started_at,
            times,
            extras,
            enrichment: state.enrichment.clone(),
            extraction: state.extraction.clone(),
        }
    }

    /// The plan; the rest goes into `state`.
    pub(super) fn plan(&self) -> Plan {
        Plan::from_record(self.plan.clone())
    }

    pub(super) fn put_into(self, state: &mut PipelineState) {
        state.imports = self.imports;
        state.enrichment = self.enrichment;
        state.extraction = self.extraction;
        state.document = Document {
            session: self.session,
            started_at: self.started_at,
            times: self.times,
            extras: self.extras,
        };
    }
}

/// How far it goes, and what was known there.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Moving {
    segment: Seq,
    offset: u64,
    next: Seq,
    previous: u32,
    log: String,
    durable_seen: Seq,
    name_proven: bool,
    sha256: Option<Sha256Hex>,
    lost: Vec<LostRange>,
    device: u64,
    inode: u64,
    last_seq: Seq,
    last_change_at: Option<Timestamp>,
    rejected: u64,
    snapshot_seq: Option<Seq>,
    snapshot_bytes: u64,
    tail_bytes: u64,
    last_change: Seq,
    stamps: Stamps,
}

impl Moving {
    /// `None` if the snapshots are not as they should be: then nothing about them can be remembered.
    pub(super) fn of(state: &PipelineState, end: &End, facts: &SnapshotFacts) -> Option<Self> {
        let Position {
            segment,
            offset,
            next,
            previous,
            log,
            durable_seen,
            name_proven,
            sha256,
            lost,
        } = end.position.clone();
        Some(Self {
            segment: segment.first_seq(),
            offset: offset.get(),
            next,
            previous: previous.value(),
            log: log.to_string(),
            durable_seen,
            name_proven,
            sha256,
            lost,
            device: end.file.device,
            inode: end.file.inode,
            last_seq: state.last_seq,
            last_change_at: state.last_change_at,
            rejected: state.rejected,
            snapshot_seq: facts.seq,
            snapshot_bytes: facts.bytes,
            tail_bytes: facts.tail_bytes,
            last_change: facts.last_change,
            stamps: facts.stamps.clone()?,
        })
    }

    /// Where it ends.
    pub(super) fn end(&self) -> Option<End> {
        Some(End {
            position: Position {
                segment: SegmentId::starting_at(self.segment),
                offset: Offset::new(self.offset),
                next: self.next,
                previous: Crc::new(self.previous),
                log: LogId::parse(&self.log)?,
                durable_seen: self.durable_seen,
                name_proven: self.name_proven,
                sha256: self.sha256,
                lost: self.lost.clone(),
            },
            file: FileId {
                device: self.device,
                inode: self.inode,
            },
        })
    }

    pub(super) fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// The rest goes into `state`, and what is known of the snapshots comes out.
    pub(super) fn put_into(self, state: &mut PipelineState) -> SnapshotFacts {
        state.last_seq = self.last_seq;
        state.last_change_at = self.last_change_at;
        state.rejected = self.rejected;
        SnapshotFacts {
            uncached: None,
            seq: self.snapshot_seq,
            root: None,
            bytes: self.snapshot_bytes,
            tail_bytes: self.tail_bytes,
            last_change: self.last_change,
            // It matters for files that are not as they should be, and then there is no cache.
            compacted: Seq::NONE,
            edited: Vec::new(),
            stamps: Some(self.stamps),
            seen: None,
        }
    }
}
