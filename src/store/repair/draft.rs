//! The plan of a repair, with everything that is needed to carry it out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{DamageKind, Error, Result};
use crate::log::header::{LogId, LostRange};
use crate::log::reader::{Log, Witnesses};
use crate::log::{Severity, poison};
use crate::ports::{Disk, Ports};
use crate::position::{Offset, SegmentId, Seq};
use crate::snapshot::{LogPlace, set};

use super::super::Options;
use super::super::dir::{self, WAL};
use super::goal::Goal;
use super::look::{Hurt, Look};
use super::overlay::Overlay;
use super::{MAX_READ, Occasion, RepairPlan, SeqRange, Step, StepKind, effect, loss, put_back};

/// A plan, and what carries it out.
pub(super) struct Draft {
    pub(super) plan: RepairPlan,
    /// Segments that get other bytes.
    pub(super) contents: Vec<(SegmentId, Arc<[u8]>)>,
    /// Files that go into quarantine.
    pub(super) set_aside: Vec<PathBuf>,
    /// The segment in which the log goes on; `None` if there is nothing to do.
    pub(super) goal: Option<Goal>,
    /// The flag of a failed sync is up: every segment from there on gets a new file.
    pub(super) poisoned: bool,
}

/// A plan while it is made.
pub(super) struct Drafting<'d> {
    pub(super) dir: &'d Path,
    /// The disk as it would be.
    pub(super) overlay: Arc<Overlay>,
    pub(super) ports: Ports,
    pub(super) log: Log,
    pub(super) witnesses: Witnesses,
    /// The snapshot's place, if it is of this log.
    pub(super) place: Option<LogPlace>,
    /// The files of the snapshot's set beside its root.
    companions: Vec<String>,
    pub(super) steps: Vec<Step>,
    changed: BTreeSet<SegmentId>,
    pub(super) set_aside: Vec<PathBuf>,
    /// The records that could be read before anything was changed.
    readable: Vec<SeqRange>,
    /// Records of another history in files that are set aside,
    pub(super) displaced: Vec<SeqRange>,
    /// and what they say.
    pub(super) displaced_hints: Vec<effect::Hint>,
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
        let snapshot = set::load(&*seen.disk, dir)?.snapshot;
        let companions = snapshot.iter().flat_map(|found| &found.companions);
        let companions = companions.map(|file| file.name.name.clone()).collect();
        let place = snapshot.map(|found| found.place);
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
            companions,
            steps: Vec::new(),
            changed: BTreeSet::new(),
            set_aside: Vec::new(),
            readable: Vec::new(),
            displaced: Vec::new(),
            displaced_hints: Vec::new(),
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
        self.readable = std::mem::take(&mut look.readable);
        if !look.hurt.is_empty() {
            let back = put_back::find(&self.ports, &self.log)?;
            for put in &back {
                self.steps.push(put.step.clone());
                if let Some(bytes) = &put.bytes {
                    self.change(put.id, bytes.clone());
                } else {
                    self.overlay.remove(put.path.clone());
                    self.set_aside.push(put.path.clone());
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
        while self.strays(&look)?
            || self.correct(&look)?
            || self.put_newlines_back(&look)?
            || self.put_in_order(&look)?
            || self.put_together(&look)?
            || self.leave_out(&look)?
        {
            look = self.look()?;
        }
        Ok(look)
    }

    pub(super) fn change(&mut self, id: SegmentId, bytes: Vec<u8>) {
        self.overlay.put(self.log.segment_path(id), bytes);
        self.changed.insert(id);
    }

    /// What the snapshots say does not fit the log any more: the log alone counts.
    pub(super) fn set_snapshots_aside(&mut self, what: &str) -> Result<()> {
        let roots = [set::ROOT, set::NEXT].map(str::to_owned);
        let mut names: Vec<String> = roots.into_iter().chain([set::bak(set::ROOT)]).collect();
        for name in std::mem::take(&mut self.companions) {
            names.extend([set::bak(&name), name]);
        }
        for name in names {
            let path = self.dir.join(&name);
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
                file: name,
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

    /// Nothing of the log as it would be may need another repair: what is found in it still would be claimed to be done, and
    /// found again for ever.
    fn prove_whole(&self) -> Result<()> {
        let after = self.look()?;
        match after.hurt.into_iter().next() {
            Some(hurt) => Err(Error::Damaged(Box::new(hurt.finding.damage))),
            None => Ok(()),
        }
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
            self.steps.push(give_up(hurt, &range, &look.end.lost));
            let named = effect::hints(&bytes);
            let records = (range.to_seq.get() + 1).saturating_sub(range.from_seq.get());
            items_unknown |= (named.len() as u64) < records && !is_header(&bytes);
            hints.extend(named);
            lost.push(range);
        }
        if let Some(behind) = self.behind_the_end(look, log) {
            items_unknown = true;
            lost.push(behind);
        }
        let mut ranges = loss::new_seqs(&lost, &look.end.lost);
        ranges.append(&mut self.displaced);
        let ranges = loss::touching_as_one(ranges);
        hints.append(&mut self.displaced_hints);
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
        let poisoned = self.distrust()?;
        let mut plan = RepairPlan {
            lost: ranges,
            items_unknown,
            ..RepairPlan::nothing()
        };
        if self.steps.is_empty() {
            // The log can be read; what lies beside it may still be of another history.
            self.behind_snapshot()?;
        }
        let mut goal = None;
        if !self.steps.is_empty() {
            let new = self.header(look, &lost, first, log)?;
            let (after, readable) = self.prove(&new)?;
            self.prove_whole()?;
            // However it came about: what could be read and cannot be read any more is lost, and is to be typed.
            plan.lost
                .extend(loss::without(std::mem::take(&mut self.readable), readable));
            plan.lost = loss::touching_as_one(plan.lost);
            plan.items = effect::touched(&hints, &after);
            plan.beyond_items = effect::beyond_items(&hints, &after);
            plan.next = Some(SegmentId::starting_at(first));
            goal = Some(new);
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
            goal,
            poisoned,
        })
    }

    /// The segment that was begun when the snapshot was taken: at the log's end nothing else misses it.
    fn behind_the_end(&mut self, look: &Look, log: LogId) -> Option<LostRange> {
        let place = self.place.as_ref()?;
        let id = SegmentId::starting_at(place.seq.next());
        if place.seq != look.end.last || place.id != log.to_string() || look.segment(id).is_some() {
            return None;
        }
        let seq = id.first_seq();
        self.steps.push(Step {
            kind: StepKind::GiveUp,
            file: format!("{WAL}/{id}"),
            byte: 0,
            bytes: 0,
            seqs: Some(SeqRange { from: seq, to: seq }),
            message: format!(
                "record {seq} and whatever followed it, given up: it is missing with its segment; the snapshot at {} attests that it was acknowledged",
                place.seq
            ),
        });
        Some(LostRange {
            segment: id,
            from_byte: Offset::START,
            to_byte: Offset::START,
            from_seq: seq,
            to_seq: seq,
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
        let to = to.min(from + MAX_READ);
        let mut read = dir::read_range(&self.ports, &self.log.segment_path(segment.id), from, to)?;
        if bytes == 0 && from == 0 && segment.header.is_some() {
            let line = memchr::memchr(b'\n', &read).map_or(read.len(), |len| len + 1);
            read.truncate(line);
        } else if bytes == 0 {
            read.clear();
        }
        Ok(read)
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
}

fn is_header(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, br#""event":"segment""#).is_some()
}

fn give_up(hurt: &Hurt, range: &LostRange, before: &[LostRange]) -> Step {
    let damage = &hurt.finding.damage;
    let lost = loss::new_seqs(std::slice::from_ref(range), before);
    let named: Vec<String> = lost.iter().map(ToString::to_string).collect();
    let what = match *lost {
        [] if range.to_seq >= range.from_seq => "bytes that were given up before".to_owned(),
        [] if matches!(damage.kind, DamageKind::Sequence | DamageKind::Chain) => {
            "lines that do not belong here".to_owned()
        }
        [] => "bytes that are no record".to_owned(),
        [seqs] => seqs.told(),
        _ => format!("records {}", named.join(", ")),
    };
    let seqs = match *lost {
        [] => None,
        [first, ..] => Some(SeqRange {
            from: first.from,
            to: lost[lost.len() - 1].to,
        }),
    };
    let bytes = range.to_byte.get().saturating_sub(range.from_byte.get());
    let ends_early = seqs.is_none() && damage.kind == DamageKind::Missing;
    let known = match (hurt.finding.severity, damage.witness) {
        (Severity::Ambiguous, _) => "; nothing tells whether it was ever acknowledged".to_owned(),
        (_, Some(by)) => format!("; {by} attests that it was acknowledged"),
        (_, None) => String::new(),
    };
    let empty = damage.kind == DamageKind::Missing && damage.offset == Offset::START && bytes == 0;
    // Only who made it knows, and then nothing is to be given up.
    let or_none = if empty {
        "; if this empty file never was a segment, move it out of wal/ instead"
    } else {
        ""
    };
    Step {
        kind: StepKind::GiveUp,
        file: damage.file.display().to_string(),
        byte: range.from_byte.get(),
        bytes,
        seqs,
        message: if let DamageKind::Inserted(_) = damage.kind {
            format!(
                "{bytes} bytes that are no record stand in front of record {}: they are passed over; nothing is lost",
                damage.seq
            )
        } else if ends_early {
            format!(
                "it ends {bytes} bytes before where the next header says, and no further record is missing"
            )
        } else {
            format!("{what}, given up: it {}{known}{or_none}", damage.kind)
        },
    }
}
