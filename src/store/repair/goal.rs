//! Where the log goes on after a repair: the header that says what is lost, and the proof that all of it can be read.

use crate::error::{Error, Result};
use crate::log::frame::{self, Crc};
use crate::log::head::Head;
use crate::log::header::{FORMAT, LogId, LostRange, Predecessor, READER, SegmentHeader, WRITER};
use crate::log::reader::{Access, From};
use crate::pipeline::PipelineState;
use crate::position::{Offset, SegmentId, Seq};
use crate::snapshot::set;

use super::super::dir::{self, WAL};
use super::super::recovery;
use super::draft::Drafting;
use super::look::Look;
use super::loss;
use super::{Occasion, RESTORED_JUMP, SeqRange, Step, StepKind, correct};

/// How much of a segment whose header is hurt is searched for it, in bytes.
const SEARCHED: u64 = 4 << 20;

/// How much of it is searched for what is left of the header: further on that may be anybody's text.
const BEGINNING: usize = 4096;

/// The segment in which the log goes on.
pub(super) struct Goal {
    pub(super) header: SegmentHeader,
    /// The header's seq.
    pub(super) first: Seq,
    /// The checksum of the last record that can be read.
    pub(super) previous: Crc,
    /// That record.
    pub(super) durable: Seq,
}

/// The header that a line is, or would be but for one flipped bit.
fn nearly_a_header(line: &[u8]) -> Option<SegmentHeader> {
    let said = |line: &[u8]| SegmentHeader::parse(frame::parse(line).ok()?.payload).ok();
    said(line).or_else(|| {
        let mut flips = correct::candidates(line).into_iter();
        flips.find_map(|(at, bit)| {
            let mut fixed = line.to_vec();
            fixed[at] ^= 1 << bit;
            // The flip may have been that of its newline.
            said(fixed.split(|&byte| byte == b'\n').next()?)
        })
    })
}

impl Drafting<'_> {
    /// Which log it is: as the headers say, else the snapshot, else what is left of a hurt header.
    pub(super) fn log_id(&self, look: &Look) -> Result<LogId> {
        const KEY: &[u8] = br#""log":""#;
        let mut ids: Vec<LogId> = look
            .segments
            .iter()
            .filter_map(|segment| Some(segment.header.as_ref()?.log))
            .collect();
        ids.sort_by_key(ToString::to_string);
        let most = ids
            .chunk_by(|one, other| one == other)
            .max_by_key(|same| same.len())
            .and_then(<[LogId]>::first);
        if let Some(&id) = most {
            return Ok(id);
        }
        if let Some(id) = self
            .place
            .as_ref()
            .and_then(|place| LogId::parse(&place.id))
        {
            return Ok(id);
        }
        for segment in &look.segments {
            let path = self.log.segment_path(segment.id);
            let head = dir::read_range(&self.ports, &path, 0, segment.len.min(SEARCHED))?;
            // It may stand elsewhere in the file, or be hurt by a single bit that nothing but its own checksum attests: enough to
            // know whose it was. Under another id it would be another log's, were it ever read again.
            if let Some(header) = head.split(|&byte| byte == b'\n').find_map(nearly_a_header) {
                return Ok(header.log);
            }
            let head = &head[..head.len().min(BEGINNING)];
            let said = memchr::memmem::find(head, KEY)
                .and_then(|at| head.get(at + KEY.len()..at + KEY.len() + 32));
            if let Some(id) = said
                .and_then(|hex| std::str::from_utf8(hex).ok())
                .and_then(LogId::parse)
            {
                return Ok(id);
            }
        }
        let random = || u128::from(self.ports.process.random());
        Ok(LogId::new(random() << 64 | random()))
    }

    /// The seq at which the log goes on: behind everything that was, or may have been, issued.
    pub(super) fn go_on(
        &mut self,
        look: &Look,
        lost: &mut Vec<LostRange>,
        attested: Seq,
        occasion: Occasion,
    ) -> Seq {
        let end = look.end.last;
        let ends = lost.iter().chain(&look.end.lost).map(|lost| lost.to_seq);
        let mut first = ends.fold(end.max(attested), Seq::max).next();
        let given_up = lost.iter().map(|lost| lost.to_seq).max();
        let from = end.max(given_up.unwrap_or(end)).next();
        if let Some(place) = &self.place
            && place.seq > end
            && first == place.seq.next()
        {
            // The record after a snapshot names the one before it, which is lost: no record stands there.
            first = first.next();
        }
        // What was given up at the very end may have been more records than anybody can count by now.
        let open_ended = given_up.is_some_and(|given_up| given_up > end);
        if occasion == Occasion::Restored || open_ended {
            let why = if open_ended {
                "how many stood at the end cannot be told"
            } else {
                "the directory was restored from a backup"
            };
            self.steps.push(Step {
                kind: StepKind::Skip,
                file: format!("{WAL}/{}", look.end.segment),
                byte: look.valid_bytes.get(),
                bytes: 0,
                seqs: Some(super::SeqRange { from, to: first.plus(RESTORED_JUMP).before() }),
                message: format!("{RESTORED_JUMP} records are passed over, so that no token is issued again: {why}"),
            });
            first = first.plus(RESTORED_JUMP);
        }
        let adjoining = lost.iter_mut().find(|lost| lost.to_seq.next() == from);
        if let (true, true, Some(lost)) = (from < first, open_ended, adjoining) {
            // One range, so that whoever reads from a snapshot before it finds its end.
            lost.to_seq = first.before();
        } else if from < first {
            lost.push(LostRange {
                segment: look.end.segment,
                from_byte: look.valid_bytes,
                to_byte: look.valid_bytes,
                from_seq: from,
                to_seq: first.before(),
            });
        }
        first
    }

    pub(super) fn header(
        &self,
        look: &Look,
        lost: &[LostRange],
        first: Seq,
        log: LogId,
    ) -> Result<Goal> {
        let end = &look.end;
        let lost = loss::all_of(look, lost);
        let readable = look.last_in == Some(end.segment);
        let last_seq = if readable {
            end.last
        } else {
            end.segment.first_seq().before()
        };
        let given_up = lost
            .iter()
            .any(|lost| lost.segment == end.segment && lost.from_byte == Offset::START);
        let own = look
            .segment(end.segment)
            .and_then(|segment| segment.header.as_ref());
        let sha256 = own.filter(|_| !given_up).and_then(|header| header.sha256);
        let mut head = Head::of_segment(sha256);
        head.update(&dir::read_range(
            &self.ports,
            &self.log.segment_path(end.segment),
            0,
            look.valid_bytes.get(),
        )?);
        let now = self.ports.clock.now();
        let header = SegmentHeader {
            at: now.at,
            format: FORMAT,
            min_reader: READER,
            log,
            prev: Some(Predecessor {
                segment: end.segment,
                last_seq,
                valid_bytes: look.valid_bytes,
                last_crc32: end.last_crc,
            }),
            sha256: Some(head.value()),
            lost,
            writer: WRITER.to_owned(),
            clock_given: now.given,
        };
        match header.misfit(SegmentId::starting_at(first), end.last_crc) {
            None => Ok(Goal {
                header,
                first,
                previous: end.last_crc,
                durable: end.last,
            }),
            Some(what) => Err(self.no_plan(&what)),
        }
    }

    /// Reads the log as it would be, from the snapshot and from record 1, and gives the state that comes of it, and the records that
    /// can be read then.
    pub(super) fn prove(&mut self, goal: &Goal) -> Result<(PipelineState, Vec<SeqRange>)> {
        let (mut bytes, payload) = (Vec::new(), goal.header.to_payload());
        frame::encode(
            &mut bytes,
            goal.previous,
            goal.first,
            goal.durable,
            &payload,
        );
        let segment = SegmentId::starting_at(goal.first);
        self.overlay.put(self.log.segment_path(segment), bytes);
        let (replayed, readable) = self.read(PipelineState::default(), From::FirstRecord)?;
        let behind_snapshot = self.behind_snapshot()?;
        Ok((behind_snapshot.unwrap_or(replayed), readable))
    }

    /// Reads the log behind the snapshot. One that does not fit the log is set aside.
    pub(super) fn behind_snapshot(&mut self) -> Result<Option<PipelineState>> {
        let Some(found) = set::load(&*self.ports.disk, self.dir)?.snapshot else {
            return Ok(None);
        };
        let Some(log) = LogId::parse(&found.place.id) else {
            self.set_snapshots_aside("its log has no id")?;
            return Ok(None);
        };
        let (seq, crc) = (found.place.seq, Crc::new(found.place.crc32));
        match self.read(found.state, From::AfterSnapshot { seq, crc, log }) {
            Ok((state, _)) => Ok(Some(state)),
            Err(error @ (Error::OtherLog { .. } | Error::Damaged(_))) => {
                self.set_snapshots_aside(&error.to_string())?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn read(&self, mut state: PipelineState, from: From) -> Result<(PipelineState, Vec<SeqRange>)> {
        let mut readable = Vec::new();
        self.log
            .read(from, self.witnesses, Access::ReadOnly, true, &mut |entry| {
                loss::extend(&mut readable, entry.frame.seq);
                state.apply(&recovery::decode(&entry)?);
                Ok(())
            })?;
        Ok((state, readable))
    }

    fn no_plan(&self, what: &str) -> Error {
        let path = self.log.wal_dir();
        Error::io("repair", path)(std::io::Error::other(format!(
            "no header can go on from here: {what}"
        )))
    }
}
