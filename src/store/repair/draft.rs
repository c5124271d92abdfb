//! The plan of a repair, with everything that is needed to carry it out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::frame::{self, Crc};
use crate::log::head::Head;
use crate::log::header::{FORMAT, LogId, LostRange, Predecessor, READER, SegmentHeader, WRITER};
use crate::log::reader::{Access, From, Log, Witnesses};
use crate::log::{Severity, poison};
use crate::pipeline::PipelineState;
use crate::ports::{Disk, Ports};
use crate::position::{Offset, SegmentId, Seq};
use crate::snapshot::{LogPlace, set};

use super::super::dir::{self, WAL};
use super::super::{Options, recovery};
use super::correct::{self, Flip};
use super::look::{Hurt, Look};
use super::overlay::Overlay;
use super::put_back;
use super::{Occasion, RESTORED_JUMP, RepairPlan, Step, StepKind, effect, loss};

/// The snapshots, their versions before, and the root of an unfinished compaction.
const SNAPSHOTS: [&str; 7] = [
    set::ROOT,
    "work_items.json.next",
    "work_items.json.bak",
    "enrichment_data.json",
    "enrichment_data.json.bak",
    "extraction_state.json",
    "extraction_state.json.bak",
];

/// A plan, and what carries it out.
pub(super) struct Draft {
    pub(super) plan: RepairPlan,
    /// Segments that get other bytes.
    pub(super) contents: Vec<(SegmentId, Arc<[u8]>)>,
    /// Files that go into quarantine.
    pub(super) set_aside: Vec<PathBuf>,
    /// The header of the segment in which the log goes on; its seq, what goes before it, what is durable there.
    pub(super) header: SegmentHeader,
    pub(super) first: Seq,
    pub(super) previous: Crc,
    pub(super) durable: Seq,
    /// The flag of a failed sync is up: every segment from there on gets a new file.
    pub(super) poisoned: bool,
}

struct Drafting<'d> {
    dir: &'d Path,
    /// The disk as it would be.
    overlay: Arc<Overlay>,
    ports: Ports,
    log: Log,
    witnesses: Witnesses,
    /// The snapshot's place, if it is of this log.
    place: Option<LogPlace>,
    steps: Vec<Step>,
    changed: Vec<SegmentId>,
    set_aside: Vec<PathBuf>,
}

impl Draft {
    /// Plans a repair. Nobody may write meanwhile.
    pub(super) fn make(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        occasion: Occasion,
    ) -> Result<Self> {
        dir::check(ports, dir, options)?;
        let overlay = Arc::new(Overlay::new(ports.disk.clone()));
        let seen = Ports {
            disk: overlay.clone() as Arc<dyn Disk>,
            ..ports.clone()
        };
        let log = Log::new(seen.clone(), dir);
        let mark = log.mark();
        let place = set::load(&*seen.disk, dir)?
            .snapshot
            .map(|found| found.place);
        let witnesses = Witnesses {
            mark,
            snapshot: place.as_ref().map_or(Seq::NONE, |place| place.seq),
        };
        let mut drafting = Drafting {
            dir,
            overlay,
            ports: seen,
            log,
            witnesses,
            place,
            steps: Vec::new(),
            changed: Vec::new(),
            set_aside: Vec::new(),
        };
        let look = drafting.mend()?;
        drafting.finish(&look, occasion)
    }
}

impl Drafting<'_> {
    fn look(&self) -> Result<Look> {
        Look::at(&self.log, self.witnesses)
    }

    /// Does all that loses nothing, and looks at what is left.
    fn mend(&mut self) -> Result<Look> {
        let mut look = self.look()?;
        if !look.hurt.is_empty() {
            let back = put_back::find(&self.ports, &self.log)?;
            for put in &back {
                self.steps.push(put.step.clone());
                match &put.bytes {
                    Some(bytes) => self.change(put.id, bytes.clone()),
                    None => {
                        self.overlay.remove(put.path.clone());
                        self.set_aside.push(put.path.clone());
                    }
                }
            }
            if !back.is_empty() {
                look = self.look()?;
            }
        }
        if let (Some(place), Some(log)) = (&self.place, look.end.log)
            && place.id != log.to_string()
        {
            let what = format!(
                "it belongs to the log {}, the segments are of {log}",
                place.id
            );
            self.set_snapshots_aside(&what)?;
            look = self.look()?;
        }
        while self.correct(&look)? {
            look = self.look()?;
        }
        Ok(look)
    }

    fn change(&mut self, id: SegmentId, bytes: Vec<u8>) {
        self.overlay.put(self.log.segment_path(id), bytes);
        if !self.changed.contains(&id) {
            self.changed.push(id);
        }
    }

    /// Corrects every single bit that can be; true if there was one.
    fn correct(&mut self, look: &Look) -> Result<bool> {
        let mut any = false;
        for hurt in look.hurt.iter().filter(|hurt| hurt.finding.bytes > 0) {
            let damage = &hurt.finding.damage;
            let Some(segment) = damage.segment.and_then(|id| look.segment(id)) else {
                continue;
            };
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
                seqs: Some(super::SeqRange { from: seq, to: seq }),
                message: format!(
                    "record {seq} has one flipped bit (bit {bit} of this byte); its own checksum and what follows it attest the correction"
                ),
            });
            self.change(segment.id, bytes);
            any = true;
        }
        Ok(any)
    }

    /// What the snapshots say does not fit the log any more: the log alone counts.
    fn set_snapshots_aside(&mut self, what: &str) -> Result<()> {
        for name in SNAPSHOTS {
            let path = self.dir.join(name);
            if !self
                .ports
                .disk
                .exists(&path)
                .map_err(Error::io("look at", &path))?
            {
                continue;
            }
            self.steps.push(Step {
                kind: StepKind::SetAside,
                file: name.to_owned(),
                byte: 0,
                bytes: 0,
                seqs: None,
                message: format!(
                    "{what}: it goes into quarantine, and the state comes from the log"
                ),
            });
            self.overlay.remove(path.clone());
            self.set_aside.push(path);
        }
        self.place = None;
        self.witnesses.snapshot = Seq::NONE;
        Ok(())
    }

    fn finish(mut self, look: &Look, occasion: Occasion) -> Result<Draft> {
        let attested = self
            .witnesses
            .mark
            .max(self.witnesses.snapshot)
            .max(look.durable);
        let log = self.log_id(look)?;
        let (mut lost, mut hints, mut items_unknown) = (Vec::new(), Vec::new(), false);
        for hurt in &look.hurt {
            let bytes = self.hurt_bytes(look, hurt)?;
            let range = loss::of_hurt(look, hurt, &bytes, attested, Some(log));
            self.steps.push(give_up(hurt, &range));
            let named = effect::hints(&bytes);
            items_unknown |=
                named.is_empty() && range.to_seq >= range.from_seq && !is_header(&bytes);
            hints.extend(named);
            lost.push(range);
        }
        let ranges = loss::merged(&lost);
        if let Some(torn) = &look.torn {
            self.steps.push(Step {
                kind: StepKind::Seal,
                file: torn.damage.file.display().to_string(),
                byte: torn.damage.offset.get(),
                bytes: torn.bytes,
                seqs: None,
                message: "a crash cut off a write here; it was never acknowledged, and its bytes stay where they are".to_owned(),
            });
        }
        let first = self.go_on(look, &mut lost, attested, occasion);
        let (header, previous, durable) = self.header(look, lost, first, log)?;
        let poisoned = self.distrust()?;
        let mut plan = RepairPlan {
            next: (!self.steps.is_empty()).then_some(SegmentId::starting_at(first)),
            lost: ranges,
            items: Vec::new(),
            items_unknown,
            steps: Vec::new(),
        };
        if plan.next.is_some() {
            let after = self.prove(&header, first, previous, durable)?;
            plan.items = effect::touched(&hints, &after);
        }
        plan.steps = self.steps;
        let contents = self.changed.iter().filter_map(|&id| {
            let bytes = self.overlay.changed(&self.log.segment_path(id))?;
            Some((id, bytes))
        });
        Ok(Draft {
            plan,
            contents: contents.collect(),
            set_aside: self.set_aside,
            header,
            first,
            previous,
            durable,
            poisoned,
        })
    }

    fn hurt_bytes(&self, look: &Look, hurt: &Hurt) -> Result<Vec<u8>> {
        let damage = &hurt.finding.damage;
        let Some(segment) = damage.segment.and_then(|id| look.segment(id)) else {
            return Ok(Vec::new());
        };
        let (from, bytes) = (damage.offset.get(), hurt.finding.bytes);
        // A header that does not fit is given up though its bytes verify.
        let to = if bytes == 0 && from == 0 {
            segment.len
        } else {
            from + bytes
        };
        let mut read = dir::read_range(&self.ports, &self.log.segment_path(segment.id), from, to)?;
        if bytes == 0 && from == 0 && segment.header.is_some() {
            let line = memchr::memchr(b'\n', &read).map_or(read.len(), |len| len + 1);
            read.truncate(line);
        } else if bytes == 0 {
            read.clear();
        }
        Ok(read)
    }

    /// Which log it is: as the headers say, else the snapshot, else what is left of a hurt header.
    fn log_id(&self, look: &Look) -> Result<LogId> {
        let mut votes: Vec<LogId> = look
            .segments
            .iter()
            .filter_map(|segment| Some(segment.header.as_ref()?.log))
            .collect();
        votes.sort_by_key(ToString::to_string);
        let most = votes
            .iter()
            .max_by_key(|id| votes.iter().filter(|other| other == id).count());
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
            let head = dir::read_range(
                &self.ports,
                &self.log.segment_path(segment.id),
                0,
                segment.len.min(4096),
            )?;
            const KEY: &[u8] = br#""log":""#;
            let said = memchr::memmem::find(&head, KEY)
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
    fn go_on(
        &mut self,
        look: &Look,
        lost: &mut Vec<LostRange>,
        attested: Seq,
        occasion: Occasion,
    ) -> Seq {
        let last = look.end.last;
        let ends = lost.iter().chain(&look.declared).map(|lost| lost.to_seq);
        let mut first = ends.fold(last.max(attested), Seq::max).next();
        let mut from = last
            .max(lost.iter().map(|lost| lost.to_seq).max().unwrap_or(last))
            .next();
        if let Some(place) = &self.place
            && place.seq > last
            && first == place.seq.next()
        {
            // The record after a snapshot names the one before it, which is lost: no record stands there.
            first = first.next();
        }
        if occasion == Occasion::Restored {
            self.steps.push(Step {
                kind: StepKind::Skip,
                file: format!("{WAL}/{}", look.end.segment),
                byte: look.end.offset.get(),
                bytes: 0,
                seqs: Some(super::SeqRange { from, to: first.plus(RESTORED_JUMP).before() }),
                message: format!("{RESTORED_JUMP} records are passed over, so that no token issued since the backup is issued again"),
            });
            first = first.plus(RESTORED_JUMP);
        }
        from = from.min(first);
        if from < first {
            lost.push(LostRange {
                segment: look.end.segment,
                from_byte: look.end.offset,
                to_byte: look.end.offset,
                from_seq: from,
                to_seq: first.before(),
            });
        }
        first
    }

    fn header(
        &self,
        look: &Look,
        mut lost: Vec<LostRange>,
        first: Seq,
        log: LogId,
    ) -> Result<(SegmentHeader, Crc, Seq)> {
        let end = &look.end;
        for declared in &look.declared {
            if !lost.contains(declared) {
                lost.push(*declared);
            }
        }
        lost.sort_by_key(|lost| (lost.segment, lost.from_byte, lost.from_seq));
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
            end.offset.get(),
        )?);
        let header = SegmentHeader {
            at: self.ports.clock.now().at,
            format: FORMAT,
            min_reader: READER,
            log,
            prev: Some(Predecessor {
                segment: end.segment,
                last_seq,
                valid_bytes: end.offset,
                last_crc32: end.last_crc,
            }),
            sha256: Some(head.value()),
            lost,
            writer: WRITER.to_owned(),
        };
        match header.misfit(SegmentId::starting_at(first), end.last_crc) {
            None => Ok((header, end.last_crc, end.last)),
            Some(what) => Err(self.no_plan(&what)),
        }
    }

    /// Where the flag of a failed sync is up, its segments get new files with everything else.
    fn distrust(&mut self) -> Result<bool> {
        let wal = self.log.wal_dir().to_owned();
        let flag = poison::read(&*self.ports.disk, &wal).map_err(Error::io("read", &wal))?;
        let Some(flag) = flag.filter(|_| !self.steps.is_empty()) else {
            return Ok(false);
        };
        for id in self
            .log
            .segments()?
            .into_iter()
            .filter(|&id| id >= flag.segment)
        {
            if !self.changed.contains(&id) {
                let path = self.log.segment_path(id);
                let len = self
                    .ports
                    .disk
                    .metadata(&path)
                    .map_err(Error::io("look at", &path))?
                    .len;
                let bytes = dir::read_range(&self.ports, &path, 0, len)?;
                self.change(id, bytes);
            }
        }
        Ok(true)
    }

    /// Reads the log as it would be, from the snapshot and from record 1, and gives the state that comes of it.
    fn prove(
        &mut self,
        header: &SegmentHeader,
        first: Seq,
        previous: Crc,
        durable: Seq,
    ) -> Result<PipelineState> {
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, previous, first, durable, &header.to_payload());
        self.overlay
            .put(self.log.segment_path(SegmentId::starting_at(first)), bytes);
        let replayed = self.read(PipelineState::default(), From::FirstRecord)?;
        let Some(found) = set::load(&*self.ports.disk, self.dir)?.snapshot else {
            return Ok(replayed);
        };
        let place = &found.place;
        let from = LogId::parse(&place.id).map(|log| From::AfterSnapshot {
            seq: place.seq,
            crc: Crc::new(place.crc32),
            log,
        });
        let read = from.map(|from| self.read(found.state, from));
        match read {
            Some(Ok(state)) => Ok(state),
            Some(Err(error @ (Error::OtherLog { .. } | Error::Damaged(_)))) => {
                self.set_snapshots_aside(&error.to_string())?;
                Ok(replayed)
            }
            Some(Err(error)) => Err(error),
            None => {
                self.set_snapshots_aside("its log has no id")?;
                Ok(replayed)
            }
        }
    }

    fn read(&self, mut state: PipelineState, from: From) -> Result<PipelineState> {
        self.log
            .read(from, self.witnesses, Access::ReadOnly, true, &mut |entry| {
                state.apply(&recovery::decode(&entry)?);
                Ok(())
            })?;
        Ok(state)
    }

    fn no_plan(&self, what: &str) -> Error {
        let path = self.log.wal_dir();
        Error::io("repair", path)(std::io::Error::other(format!(
            "no header can go on from here: {what}"
        )))
    }
}

fn is_header(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, br#""event":"segment""#).is_some()
}

fn give_up(hurt: &Hurt, range: &LostRange) -> Step {
    let damage = &hurt.finding.damage;
    let seqs = loss::merged(std::slice::from_ref(range)).first().copied();
    let what = match seqs {
        None => "bytes that are no record".to_owned(),
        Some(seqs) if seqs.from == seqs.to => format!("record {}", seqs.from),
        Some(seqs) => format!("records {seqs}"),
    };
    let known = match (hurt.finding.severity, damage.witness) {
        (Severity::Ambiguous, _) => "; nothing tells whether it was ever acknowledged".to_owned(),
        (_, Some(by)) => format!("; {by} attests that it was acknowledged"),
        (_, None) => String::new(),
    };
    Step {
        kind: StepKind::GiveUp,
        file: damage.file.display().to_string(),
        byte: range.from_byte.get(),
        bytes: range.to_byte.get().saturating_sub(range.from_byte.get()),
        seqs,
        message: format!("{what} would be given up: it {}{known}", damage.kind),
    }
}
