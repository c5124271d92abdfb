//! What a survey of the log comes upon, as findings; every record is folded meanwhile.

use std::collections::HashSet;

use crate::error::{DamageKind, Error, Result};
use crate::log::frame::Crc;
use crate::log::head::head_at;
use crate::log::header::LostRange;
use crate::log::reader::{Entry, Log};
use crate::log::survey::{SegmentFacts, Survey, SurveyEnd};
use crate::log::{Severity, Sha256Hex, survey, tail};
use crate::pipeline::codec::{self, PayloadError};
use crate::pipeline::{Event, PipelineState};
use crate::ports::Ports;
use crate::position::{Offset, SegmentId, Seq};
use crate::snapshot::set::LoadedSet;

use super::differ::DataMarks;
use super::words::{at_record, of_survey, snapshot_file, wal_file};
use super::{Extent, Finding, Verdict, differ, sense};

/// More findings than anybody reads: those beyond are counted.
const MOST: usize = 100_000;

/// Bytes behind a sealed end beyond this many are not searched for records.
const SEARCHED: u64 = 64 << 20;

/// The record whose head is asked for.
struct Asked {
    segment: SegmentId,
    end: Offset,
    /// The `sha256` of the segment's header.
    sha256: Option<Sha256Hex>,
    /// What that header declares given up.
    declared: Vec<LostRange>,
}

impl Asked {
    /// True if what was given up there stands before the record and was still whole when its segment began. Then its
    /// bytes are none that the head was computed of.
    fn misses(&self, seq: Seq, gap: Seq) -> bool {
        let known =
            |lost: &LostRange| lost.from_seq <= gap && gap <= lost.to_seq.max(lost.from_seq);
        gap <= seq && !self.declared.iter().any(known)
    }
}

/// Takes what a survey comes upon.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing about what was surveyed so far"
)]
pub(super) struct Collector<'c> {
    ports: &'c Ports,
    log: &'c Log,
    extent: &'c Extent,
    snapshot: Option<(&'c LoadedSet, DataMarks)>,
    findings: Vec<Finding>,
    /// How many findings were only counted, and the worst of them.
    more: (u64, Option<Verdict>),
    state: PipelineState,
    /// The fold stands for the whole log: nothing was hurt or given up so far.
    whole: bool,
    /// The fold can go on: every record so far was an event.
    folds: bool,
    /// The snapshot's place was passed.
    placed: bool,
    tokens: sense::Tokens,
    /// The `sha256` of the header of the segment that is being read.
    sha256: Option<Sha256Hex>,
    /// What the header of that segment declares given up.
    declared: Vec<LostRange>,
    /// The record whose head is asked for.
    asked: Option<Asked>,
    /// Which records were given up, from the first to the last of each range.
    given_up: Vec<(Seq, Seq)>,
    /// What the rest of the log may still explain.
    contradictions: Vec<Contradiction>,
    last: (Seq, Crc),
    /// The last record in snapshots of which the log says that they were in place.
    pub(super) compacted: Seq,
    pub(super) durable: Seq,
    pub(super) records: u64,
    pub(super) segments: usize,
    pub(super) in_flight: bool,
}

/// Records behind a sealed end attest what should stand there. The log, as far as it comes behind that, may explain it: it has these
/// very records in their place, and they are copies; or what they attest was given up, and stays where it was, as evidence.
struct Contradiction {
    /// What is said of it if it is one.
    said: Finding,
    /// The last record that is attested.
    attested: Seq,
    /// The records that attest, but for those that the log was found to have.
    witnesses: HashSet<(Seq, Crc)>,
    /// What is said of it if it is none.
    explained: Finding,
}

impl<'c> Collector<'c> {
    pub(super) fn new(
        ports: &'c Ports,
        log: &'c Log,
        extent: &'c Extent,
        snapshot: Option<(&'c LoadedSet, DataMarks)>,
    ) -> Self {
        Self {
            ports,
            log,
            extent,
            snapshot,
            findings: Vec::new(),
            more: (0, None),
            state: PipelineState::default(),
            whole: true,
            folds: true,
            placed: false,
            tokens: sense::Tokens::default(),
            sha256: None,
            declared: Vec::new(),
            asked: None,
            given_up: Vec::new(),
            contradictions: Vec::new(),
            last: (Seq::NONE, Crc::NONE),
            compacted: Seq::NONE,
            durable: Seq::NONE,
            records: 0,
            segments: 0,
            in_flight: false,
        }
    }

    pub(super) fn take(&mut self, what: &Survey<'_>) -> Result<()> {
        match what {
            Survey::Segment(facts) => self.segment(facts),
            Survey::Record(entry) => self.record(entry),
            Survey::Finding(finding) => self.finding(finding)?,
        }
        while self.findings.len() > MOST
            && let Some(finding) = self.findings.pop()
        {
            let (count, worst) = self.more;
            self.more = (count + 1, worst.max(Some(finding.weight)));
        }
        Ok(())
    }

    fn segment(&mut self, facts: &SegmentFacts<'_>) {
        self.segments += 1;
        self.sha256 = facts.header.and_then(|header| header.sha256);
        self.declared = facts
            .header
            .map_or(Vec::new(), |header| header.lost.clone());
        if let Some(prev) = facts.header.and_then(|header| header.prev) {
            self.durable = self.durable.max(prev.last_seq);
        }
    }

    fn record(&mut self, entry: &Entry<'_>) {
        let frame = entry.frame;
        // Its header, wherever in the file that stands: somebody's line may stand before it.
        let begins_segment = frame.seq == entry.segment.first_seq();
        self.pass_snapshot(frame.seq, begins_segment);
        self.records += 1;
        self.last = (frame.seq, frame.crc);
        self.durable = self.durable.max(frame.durable);
        for contradiction in &mut self.contradictions {
            contradiction.witnesses.remove(&(frame.seq, frame.crc));
        }
        if entry.offset == Offset::START {
            // The segment before was synced before this one got its name.
            self.durable = self.durable.max(frame.seq);
        }
        let asked = self.extent.head.map(|(_, at)| at);
        if asked.is_some_and(|at| at.is_none_or(|at| at == frame.seq)) {
            let end = entry.offset.plus(frame.encoded_len());
            self.asked = Some(Asked {
                segment: entry.segment,
                end,
                sha256: self.sha256,
                declared: self.declared.clone(),
            });
        }
        let record = match codec::decode(frame.seq, frame.payload) {
            Ok(record) => record,
            Err(error) => {
                return self.no_event(entry, &error);
            }
        };
        if self.whole
            && let Some(what) = sense::nonsense(&self.state, &self.tokens, &record)
        {
            let finding = at_record("V-SENSE", Verdict::Warnings, entry).saying(what);
            self.findings.push(Finding {
                items: record
                    .event
                    .item()
                    .map(ToString::to_string)
                    .into_iter()
                    .collect(),
                items_certain: true,
                ..finding
            });
        }
        self.tokens.note(&record);
        if let Event::Compacted { covers } = record.event {
            self.compacted = self.compacted.max(covers);
        }
        if self.folds {
            self.state.apply(&record);
        }
    }

    fn no_event(&mut self, entry: &Entry<'_>, error: &PayloadError) {
        (self.folds, self.whole) = (false, false);
        let seq = entry.frame.seq;
        let finding = if matches!(error, PayloadError::UnknownKind { .. }) {
            at_record("V-NEWER", Verdict::Warnings, entry)
                .saying(format!("record {seq}: {error}; a newer version wrote it"))
        } else {
            Finding {
                witness: Some(format!("its own checksum, record {seq}")),
                next: Some("phaselog repair"),
                ..at_record("V-EVENT", Verdict::Damaged, entry)
                    .saying(format!("record {seq} verifies and is no event: {error}"))
            }
        };
        let items = tail::items(entry.frame.payload.as_bytes());
        self.findings.push(Finding {
            items,
            items_certain: true,
            ..finding
        });
    }

    fn finding(&mut self, finding: &survey::Finding) -> Result<()> {
        match finding.severity {
            Severity::InFlight => {
                self.in_flight = true;
                return Ok(());
            }
            Severity::Sealed | Severity::Beyond => return self.sealed(finding),
            Severity::GivenUp => {
                self.whole = false;
                let from = finding.damage.seq;
                let to = finding.to_seq.unwrap_or(from);
                self.given_up.push((from, to));
            }
            // All its records are there, and come in their order.
            Severity::Damaged | Severity::Ambiguous
                if matches!(
                    finding.damage.kind,
                    DamageKind::Order(_) | DamageKind::Inserted(_)
                ) => {}
            Severity::Damaged | Severity::Ambiguous | Severity::Unreadable => {
                (self.whole, self.folds) = (false, false);
            }
            Severity::Torn(_) => {}
        }
        self.findings.push(of_survey(finding));
        Ok(())
    }

    /// Bytes behind a sealed end were never acknowledged. A record among them that says otherwise is a contradiction, unless the
    /// rest of the log explains it: see [`Contradiction`].
    fn sealed(&mut self, finding: &survey::Finding) -> Result<()> {
        let Some(segment) = finding.damage.segment else {
            return Ok(());
        };
        let (from, expected) = (finding.damage.offset.get(), finding.damage.seq);
        let bytes = self.read(segment, from, from + finding.bytes.min(SEARCHED))?;
        let mut said = of_survey(finding);
        if let Some(attested) = tail::attested_within(&bytes)
            && attested.seq >= expected
        {
            let explained = said.clone();
            (said.code, said.weight) = ("V-SEAL", Verdict::Damaged);
            said.witness = Some(attested.by.to_string());
            said.message = format!(
                "{} bytes lie behind where the next header ends this segment, and {} among them attests record {}",
                finding.bytes, attested.by, attested.seq
            );
            let witnesses = tail::records_within(&bytes).filter(|it| it.durable >= expected);
            self.contradictions.push(Contradiction {
                said: said.clone(),
                attested: attested.seq,
                witnesses: witnesses.map(|it| (it.seq, it.crc)).collect(),
                explained,
            });
        }
        self.findings.push(said);
        Ok(())
    }

    /// Takes back what the rest of the log has explained.
    fn explain(&mut self) {
        for it in std::mem::take(&mut self.contradictions) {
            let mut explained = it.explained;
            if it.witnesses.is_empty() {
                explained.message += "; the records among them stand in the log as well";
            } else if !self.is_given_up(it.attested) {
                continue;
            }
            let mut findings = self.findings.iter_mut();
            if let Some(finding) = findings.find(|finding| **finding == it.said) {
                *finding = explained;
            }
        }
    }

    fn is_given_up(&self, seq: Seq) -> bool {
        self.given_up
            .iter()
            .any(|&(from, to)| from <= seq && seq <= to)
    }

    /// Compares the snapshot with the log when the survey has come to its place.
    fn pass_snapshot(&mut self, next: Seq, begins_segment: bool) {
        let Some(&(found, _)) = self.snapshot.as_ref() else {
            return;
        };
        if self.placed || next <= found.place.seq {
            return;
        }
        self.placed = true;
        let place = &found.place;
        if self.last.0 == place.seq && self.last.1.value() != place.crc32 {
            let what = format!(
                "its record {} has another checksum than the log's",
                place.seq
            );
            self.other_history(what);
        } else if self.last.0 == place.seq && next == place.seq.next() && !begins_segment {
            let seq = place.seq;
            let what = format!("a segment begins behind its record {seq}, and none does here");
            self.other_history(what);
        }
        if let Some((found, data)) = &self.snapshot
            && self.extent.deep
            && self.folds
            && self.last.0 == place.seq
        {
            let lost = !self.given_up.is_empty();
            let snapshot = (&found.state, data);
            let different = differ::compare(snapshot, &self.state, place.seq, lost);
            self.findings.extend(different);
        }
    }

    fn other_history(&mut self, what: String) {
        let finding = Finding::of_file("V-OTHER-LOG", Verdict::Damaged, snapshot_file());
        self.findings
            .push(finding.saying(what).with_next("phaselog repair"));
    }

    pub(super) fn finish(mut self, end: &SurveyEnd) -> Result<(Vec<Finding>, PipelineState)> {
        self.pass_snapshot(end.last.next(), true);
        self.explain();
        if let (Some((found, _)), Some(log)) = (&self.snapshot, end.log)
            && found.place.id != log.to_string()
        {
            let id = &found.place.id;
            self.other_history(format!(
                "it belongs to the log {id}, the segments are of {log}"
            ));
        }
        self.check_behind_snapshot(end);
        if self.extent.deep && !self.folds {
            let finding = Finding::of_file("V-NOT-COMPARED", Verdict::Warnings, "wal");
            let what = "the snapshots were not compared with a replay: the log cannot be replayed";
            self.findings.push(finding.saying(what));
        }
        self.check_head(end)?;
        if let (count, Some(worst)) = self.more {
            let finding = Finding::of_file("V-MORE", worst, "wal");
            let finding = finding.saying(format!("{count} more places like these"));
            self.findings.push(finding.with_next("phaselog repair"));
        }
        Ok((self.findings, self.state))
    }

    /// A snapshot is written when the segment behind it has begun: at the log's end nothing else misses that.
    fn check_behind_snapshot(&mut self, end: &SurveyEnd) {
        let Some(place) = self.snapshot.as_ref().map(|(found, _)| &found.place) else {
            return;
        };
        let id = SegmentId::starting_at(place.seq.next());
        let ours = end.log.is_some_and(|log| log.to_string() == place.id);
        if !ours || end.last != place.seq || end.segment >= id {
            return;
        }
        let seq = id.first_seq();
        let finding = Finding::of_file("V-SEGMENT", Verdict::Damaged, wal_file(id));
        let what = format!(
            "record {seq}: it is missing with its segment; the snapshot at {} attests that it was acknowledged",
            place.seq
        );
        self.findings.push(Finding {
            byte: Some(0),
            bytes: Some(0),
            seq: Some(seq),
            witness: Some(format!("the snapshot at {}", place.seq)),
            ..finding.saying(what).with_next("phaselog repair")
        });
    }

    fn check_head(&mut self, end: &SurveyEnd) -> Result<()> {
        let Some((expected, at)) = self.extent.head else {
            return Ok(());
        };
        let seq = at.unwrap_or(end.last);
        let finding = Finding::of_file("V-HEAD", Verdict::Damaged, "wal");
        let mut finding = finding.with_next("put back a backup that had this head");
        finding.seq = Some(seq);
        let Some(asked) = self.asked.take() else {
            self.findings.push(finding.saying(format!(
                "there is no record {seq} that can be read, and somebody knows its head"
            )));
            return Ok(());
        };
        let head = self.head(asked.segment, asked.end, asked.sha256)?;
        (finding.file, finding.byte) = (wal_file(asked.segment), Some(asked.end.get()));
        if head != expected {
            self.findings.push(finding.saying(format!(
                "the head at record {seq} is {head}, not {expected}: this is not the history that was known"
            )));
        } else if let Some((gap, _)) = self.given_up.iter().find(|gap| asked.misses(seq, gap.0)) {
            self.findings.push(finding.saying(format!(
                "the head at record {seq} is as it was known, but record {gap} before it was given up after that: nothing proves what stood there"
            )));
        }
        Ok(())
    }

    /// The head of the log at a byte of a segment.
    fn head(
        &self,
        segment: SegmentId,
        end: Offset,
        sha256: Option<Sha256Hex>,
    ) -> Result<Sha256Hex> {
        let path = self.log.segment_path(segment);
        let head = || head_at(&*self.ports.disk.open_read(&path)?, sha256, end.get());
        head().map_err(Error::io("read", &path))
    }

    fn read(&self, segment: SegmentId, from: u64, to: u64) -> Result<Vec<u8>> {
        super::super::dir::read_range(self.ports, &self.log.segment_path(segment), from, to)
    }
}
