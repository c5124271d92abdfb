//! Any hurt of any log: a log is made up, hurt in one to three places, and mended as the plan says.
//!
//! ```text
//! groups of any size, at the ends of segments too; writers that knew little or all of each other; with and without a mark
//!   -> bits, bytes, newlines, lines, files, names, the mark
//!   -> a plan -> mended -> each record stays as it was or was listed, no group in part, nothing listed that is there,
//!      no seq issued again, verified clean
//! ```
//!
//! `PHASELOG_REPAIR_CASES=N` makes it N logs, `PHASELOG_REPAIR_SEED=S` begins at that one.

use std::collections::BTreeMap;
use std::path::Path;

use phaselog::log::frame::{self, Crc};
use phaselog::log::group::{self, encode_group};
use phaselog::log::head::Head;
use phaselog::log::header::{LogId, Predecessor, SegmentHeader};
use phaselog::log::reader::{Access, From, Log, Witnesses};
use phaselog::pipeline::Timestamp;
use phaselog::position::{Offset, SegmentId, Seq};
use phaselog::store::repair::{self, Occasion, RepairPlan, Repaired, StepKind};
use phaselog::store::verify::{Extent, Verdict};
use phaselog::testing::{Rng, SimDisk};

use super::lines;
use crate::damage::{DIR, open, options, segments, verified};

const AT: &str = "2026-11-23T01:40:15.123456Z";

/// One record as it was written.
#[derive(Clone, Debug)]
struct Written {
    line: Vec<u8>,
    /// The first record of its group.
    group: u64,
    header: bool,
}

/// A log as it was written: its files, and each record by its seq.
pub(super) struct Made {
    files: Vec<(String, Vec<u8>)>,
    records: BTreeMap<u64, Written>,
    pub(super) last: u64,
}

fn path(first: u64) -> String {
    format!("{DIR}/wal/{}", SegmentId::starting_at(Seq::new(first)))
}

/// Payloads of one group: the plan, items, or what happens to one.
fn payloads(rng: &mut Rng, first: u64, items: &mut Vec<String>) -> Vec<String> {
    let count = if rng.below(5) < 3 {
        1
    } else {
        2 + rng.below(3)
    };
    if first == 2 {
        let phases = r#"[{"phase":"p"},{"phase":"q","needs":["p"]}]"#;
        return vec![format!(
            r#"{{"at":"{AT}","event":"planned","phases":{phases}}}"#
        )];
    }
    (0..count)
        .map(|index| {
            if items.is_empty() || count > 1 || rng.below(3) == 0 {
                let item = format!("{} Example St", first + index as u64);
                items.push(item.clone());
                return format!(r#"{{"at":"{AT}","event":"added","item":"{item}"}}"#);
            }
            let item = &items[rng.below(items.len())];
            match rng.below(2) {
                0 => format!(
                    r#"{{"at":"{AT}","event":"enriched","item":"{item}","data":{{"object":{{"price":{first}}}}}}}"#
                ),
                _ => format!(r#"{{"at":"{AT}","event":"held","item":"{item}","reason":"{first}"}}"#),
            }
        })
        .collect()
}

pub(super) fn make(rng: &mut Rng) -> Made {
    let id = LogId::new(7);
    let (mut files, mut records, mut items) = (Vec::new(), BTreeMap::new(), Vec::new());
    let (mut previous, mut next) = (Crc::NONE, Seq::FIRST);
    let mut before: Option<(Predecessor, _)> = None;
    // Writers that know all that is before them, or anything down to nothing of it.
    let tight = rng.below(3) > 0;
    for _ in 0..=rng.below(4) {
        let at = Timestamp::parse_rfc3339(AT).unwrap();
        let mut header = SegmentHeader::first(at, id);
        header.prev = before.as_ref().map(|(prev, _)| *prev);
        header.sha256 = before.as_ref().map(|(_, sha256)| *sha256);
        let (begin, own) = (next, header.sha256);
        let mut bytes = Vec::new();
        let mut put = |encoded: &group::Encoded, header| {
            for (seq, (_, line)) in (encoded.first.get()..).zip(lines(&encoded.bytes)) {
                let line = line.to_vec();
                let group = encoded.first.get();
                records.insert(
                    seq,
                    Written {
                        line,
                        group,
                        header,
                    },
                );
            }
            bytes.extend_from_slice(&encoded.bytes);
        };
        let encoded = encode_group(previous, next, next.before(), &[header.to_payload()]);
        put(&encoded, true);
        let mut known = next;
        (previous, next) = (encoded.last_crc, encoded.last.next());
        for _ in 0..rng.below(7) {
            let group = payloads(rng, next.get(), &mut items);
            let all = next.before().get();
            known = if tight {
                next.before()
            } else {
                Seq::new(
                    known.get() + rng.below(usize::try_from(all - known.get()).unwrap() + 1) as u64,
                )
            };
            let encoded = encode_group(previous, next, known, &group);
            put(&encoded, false);
            (previous, next) = (encoded.last_crc, encoded.last.next());
        }
        let mut head = Head::of_segment(own);
        head.update(&bytes);
        let prev = Predecessor {
            segment: SegmentId::starting_at(begin),
            last_seq: next.before(),
            valid_bytes: Offset::new(bytes.len() as u64),
            last_crc32: previous,
        };
        before = Some((prev, head.value()));
        files.push((path(begin.get()), bytes));
    }
    let last = next.before().get();
    Made {
        files,
        records,
        last,
    }
}

pub(super) fn mark(seq: u64) -> Vec<u8> {
    let covered = format!("phaselog-mark 1 {seq}");
    let mut mark = format!("{covered} {}", Crc::of(covered.as_bytes())).into_bytes();
    mark.resize(63, b' ');
    mark.push(b'\n');
    mark
}

pub(super) fn on_disk(made: &Made, rng: &mut Rng) -> SimDisk {
    let disk = SimDisk::new();
    for dir in [DIR.to_owned(), format!("{DIR}/wal")] {
        disk.plant_dir(dir).unwrap();
    }
    for (path, bytes) in &made.files {
        disk.plant(path, bytes).unwrap();
    }
    if rng.below(4) > 0 {
        disk.plant(format!("{DIR}/wal/mark"), &mark(made.last))
            .unwrap();
    }
    disk
}

/// Hurts one place of one file; says what was done.
pub(super) fn hurt(disk: &SimDisk, rng: &mut Rng) -> String {
    let paths = segments(disk);
    if paths.is_empty() {
        return String::new();
    }
    let path = &paths[rng.below(paths.len())];
    let bytes = disk.peek(path).unwrap();
    if bytes.is_empty() {
        return String::new();
    }
    let all = lines(&bytes);
    let (begin, line) = all[rng.below(all.len())];
    let (end, mut new) = (begin + line.len(), bytes.clone());
    let inside = begin + rng.below(line.len());
    let kind = rng.below(17);
    match kind {
        0 => new[inside] ^= 1 << rng.below(8),
        1 => {
            let to = (inside + 1 + rng.below(40)).min(bytes.len());
            new[inside..to].fill([0, b'x', b'\n', b' '][rng.below(4)]);
        }
        2 => new[begin..end - 1].fill(0),
        3 => new[begin..end].fill(b'z'),
        // Its newline: another byte, gone, or behind something.
        4 => new[end - 1] = [0, b' ', b'\r', b'}'][rng.below(4)],
        5 => drop(new.remove(end - 1)),
        6 => new.insert(end - 1, b'\r'),
        7 => drop(new.drain(begin..end)),
        8 => drop(new.splice(begin..begin, *b"somebody was here\n")),
        9 => drop(new.splice(end..end, line.to_vec())),
        10 => {
            let (other, second) = all[rng.below(all.len())];
            let (first, second, one, two) = if other < begin {
                (other, begin, second, line)
            } else {
                (begin, other, line, second)
            };
            if first != second {
                let between = bytes[first + one.len()..second].to_vec();
                let swapped = [two, &between, one].concat();
                new.splice(first..second + two.len(), swapped);
            }
        }
        11 => new.truncate(inside),
        12 => new.truncate(begin),
        13 => new[begin + rng.below(line.len().min(60))] = b'~',
        14 => {
            disk.uproot(path).unwrap();
            return format!("{path} is gone");
        }
        15 => {
            let other = &paths[rng.below(paths.len())];
            let there = disk.peek(other).unwrap();
            disk.plant(other, &bytes).unwrap();
            disk.plant(path, &there).unwrap();
            return format!("{path} and {other} have each other's names");
        }
        _ => {
            let _ = disk.uproot(format!("{DIR}/wal/mark"));
            return "the mark is gone".to_owned();
        }
    }
    disk.plant(path, &new).unwrap();
    format!("{path} kind {kind} line at {begin}, byte {inside}")
}

/// Every record that a reader gets, with its line.
pub(super) fn delivered(disk: &SimDisk) -> BTreeMap<u64, Vec<u8>> {
    let log = Log::new(disk.ports_for("reader"), Path::new(DIR));
    let mut found = BTreeMap::new();
    log.read(
        From::FirstRecord,
        Witnesses::default(),
        Access::ReadOnly,
        true,
        &mut |entry| {
            let frame = entry.frame;
            let mut line = Vec::new();
            frame::encode(
                &mut line,
                frame.previous,
                frame.seq,
                frame.durable,
                frame.payload,
            );
            found.insert(frame.seq.get(), line);
            Ok(())
        },
    )
    .unwrap();
    found
}

#[derive(Default)]
struct Count {
    hurt: u64,
    given_up: u64,
    innocent: u64,
    whole: u64,
}

fn check(seed: u64, count: &mut Count) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let made = make(&mut rng);
    let disk = on_disk(&made, &mut rng);
    let marked = disk.peek(format!("{DIR}/wal/mark")).is_some();
    let how: Vec<String> = (0..=rng.below(3)).map(|_| hurt(&disk, &mut rng)).collect();
    if segments(&disk).is_empty() {
        return Ok(());
    }
    let fail = |what: String| Err(format!("seed {seed}, mark {marked}: {how:?}: {what}"));
    let ports = disk.ports_for("mender");
    let before: Vec<(String, Vec<u8>)> = segments(&disk)
        .into_iter()
        .map(|path| (path.clone(), disk.peek(path).unwrap()))
        .collect();
    let opens = open(&disk).is_ok();
    let planned = match repair::plan(&ports, Path::new(DIR), &options(), Occasion::Hurt) {
        Ok(planned) => planned,
        Err(error) => return fail(format!("no plan: {error}")),
    };
    if planned == RepairPlan::nothing() {
        if !opens {
            return fail("nothing to do, and it does not open".to_owned());
        }
    } else {
        let done = repair::apply(
            &ports,
            Path::new(DIR),
            &options(),
            Occasion::Hurt,
            &planned.lost,
        );
        match done {
            Ok(Repaired::Done { .. }) => {}
            other => return fail(format!("not done: {other:?}")),
        }
    }
    if let Err(error) = open(&disk) {
        return fail(format!("does not open: {error}"));
    }
    let found = verified(
        &disk,
        &Extent {
            deep: true,
            head: None,
        },
    );
    if found.verdict > Verdict::Torn || planned.next.is_some() && found.verdict > Verdict::Warnings
    {
        return fail(format!("verified: {:?}", found.findings));
    }
    let again = repair::plan(&ports, Path::new(DIR), &options(), Occasion::Hurt);
    match again {
        Ok(again) if again == RepairPlan::nothing() || planned.next.is_none() => {}
        other => return fail(format!("planned again: {other:?}")),
    }
    let unmarked = !marked || how.iter().any(|how| how.contains("mark"));
    let mended = Mended {
        made: &made,
        before: &before,
        planned: &planned,
        unmarked,
    };
    mended.check(&delivered(&disk), count).or_else(fail)
}

/// A log that was hurt and mended.
struct Mended<'m> {
    made: &'m Made,
    /// The segments as they were hurt.
    before: &'m [(String, Vec<u8>)],
    planned: &'m RepairPlan,
    /// Nothing outside of the segments says how far they went.
    unmarked: bool,
}

impl Mended<'_> {
    /// True if every byte of a record's line still stood somewhere.
    fn whole(&self, seq: u64) -> bool {
        let line = &self.made.records[&seq].line;
        let mut files = self.before.iter();
        files.any(|(_, bytes)| memchr::memmem::find(bytes, line).is_some())
    }

    fn check(&self, after: &BTreeMap<u64, Vec<u8>>, count: &mut Count) -> Result<(), String> {
        let (made, planned) = (self.made, self.planned);
        let listed = |seq: u64| {
            let within =
                |range: &repair::SeqRange| range.from.get() <= seq && seq <= range.to.get();
            planned.lost.iter().any(within)
        };
        // What a crash seems to have cut off, where nothing attests it, was nobody's.
        let sealed = planned.steps.iter().any(|step| step.kind == StepKind::Seal);
        let stays = |(seq, line): (&u64, &Vec<u8>)| {
            let written = made.records.get(seq)?;
            (written.line == *line).then_some(*seq)
        };
        let end = after.iter().filter_map(stays).max().unwrap_or(0);
        let mut groups: BTreeMap<u64, Vec<bool>> = BTreeMap::new();
        for (&seq, written) in &made.records {
            let at_the_end = seq > end && (self.unmarked || sealed);
            let there = after.get(&seq);
            if there.is_some_and(|line| *line != written.line) && !at_the_end {
                return Err(format!("record {seq} is another one: {planned:#?}"));
            }
            let there = there.is_some_and(|line| *line == written.line);
            if there && listed(seq) {
                return Err(format!(
                    "record {seq} is listed as lost, and there: {planned:#?}"
                ));
            }
            if !there && !listed(seq) && !at_the_end {
                return Err(format!("record {seq} is gone and not listed: {planned:#?}"));
            }
            groups.entry(written.group).or_default().push(there);
            let whole = self.whole(seq);
            let mut of_group = made
                .records
                .iter()
                .filter(|(_, it)| it.group == written.group);
            let innocent = !there && !written.header && of_group.all(|(&seq, _)| self.whole(seq));
            count.hurt += u64::from(!whole);
            count.given_up += u64::from(!there);
            count.innocent += u64::from(innocent);
            count.whole += u64::from(whole);
        }
        for (group, there) in groups {
            if there.iter().any(|&it| it) && !there.iter().all(|&it| it) {
                return Err(format!(
                    "the group of {group} is there in part: {planned:#?}"
                ));
            }
        }
        let last = after.keys().max().copied().unwrap_or(0);
        if planned.next.is_some() && last <= made.last && !self.unmarked {
            return Err(format!("seq {last} again"));
        }
        Ok(())
    }
}

pub(super) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Logs that were found to come out wrong once. 139657: two segments under each other's names, the header of one glued to its
/// next line, the other gone. What was given up behind the wrong name was damage to `verify`, for the header that declares it is
/// read later.
const FOUND: [u64; 1] = [139_657];

#[test]
fn whatever_is_hurt_is_mended_as_the_plan_says() {
    let first = variable("PHASELOG_REPAIR_SEED").unwrap_or(0);
    let cases = variable("PHASELOG_REPAIR_CASES").unwrap_or(1_500);
    let mut count = Count::default();
    let failed: Vec<String> = (first..first + cases)
        .chain(FOUND)
        .filter_map(|seed| check(seed, &mut count).err())
        .collect();
    println!(
        "{cases} logs hurt: {} records without their bytes, {} given up, {} of them in groups that were whole",
        count.hurt, count.given_up, count.innocent
    );
    none_failed(&failed);
    assert!(count.whole > 0);
}

/// Nothing failed; else what did, the first of it in full.
pub(super) fn none_failed(failed: &[String]) {
    let shown: Vec<&str> = failed.iter().take(40).map(String::as_str).collect();
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        shown.join("\n")
    );
}
