//! Hurt stores: whatever is done to the files, the open gives everything that was acknowledged, or says loudly where.
//!
//! ```text
//! a small log in three segments -> each bit flipped, each length cut, files gone or swapped -> open, verify
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, and the lint does not know"
)]

mod alarms;
mod unreadable;

use std::path::Path;
use std::time::Duration;

use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan, Report, ReportKind};
use phaselog::ports::LockKind;
use phaselog::position::Seq;
use phaselog::store::CompactMode;
use phaselog::store::repair::{self, Occasion, Repaired};
use phaselog::store::verify::{self, Extent, Verdict, Verified};
use phaselog::testing::{SimDisk, Survivors};
use phaselog::{Error, Options, PipelineState, Ports, Store, View};

/// Where the store is.
pub(crate) const DIR: &str = "data";

pub(crate) fn options() -> Options {
    Options {
        segment_bytes: 2_000,
        lock_wait: Duration::ZERO,
        compact: CompactMode::Never,
        ..Options::default()
    }
}

pub(crate) fn item(n: usize) -> ItemId {
    ItemId::new(&format!("{n} Example St")).unwrap()
}

pub(crate) fn phase(name: &str) -> Phase {
    Phase::new(name).unwrap()
}

/// Opens the store to write.
pub(crate) fn store(ports: &Ports) -> Store {
    Store::open(ports.clone(), Path::new(DIR), options()).unwrap()
}

/// Starts a phase and gives the token.
pub(crate) fn start(store: &mut Store, n: usize, name: &str) -> Seq {
    let start = Command::Start {
        item: item(n),
        phase: phase(name),
        worker: Some("w1".to_owned()),
        owner: None,
    };
    store.submit(&start).unwrap().seq().unwrap()
}

fn report(store: &mut Store, n: usize, name: &str, token: Seq, kind: ReportKind) {
    let (item, phase, token) = (item(n), phase(name), Some(token));
    let report = Report {
        item,
        phase,
        token,
        kind,
        op: None,
        data: None,
        extraction: None,
    };
    let _ = store.submit(&Command::Report(report)).unwrap();
}

/// A store of some 30 records in three segments, all acknowledged, durable and marked.
pub(crate) fn small_store() -> SimDisk {
    let disk = SimDisk::new();
    let ports = disk.ports_for("writer");
    let phases = ["p0", "p1"].map(|name| PhasePlan::named(phase(name)));
    let plan = Plan::new(phases.to_vec()).unwrap();
    let items: Vec<NewItem> = (0..6)
        .map(|n| NewItem {
            name: item(n),
            id: None,
        })
        .collect();
    let _ = Store::init(&ports, Path::new(DIR), &options(), &plan, &items).unwrap();
    let mut store = store(&ports);
    for n in 0..6 {
        let token = start(&mut store, n, "p0");
        let failed = ReportKind::Fail {
            error: "no price".to_owned(),
            permanent: false,
        };
        let kind = if n == 2 { failed } else { ReportKind::Complete };
        report(&mut store, n, "p0", token, kind);
    }
    for n in [0, 1, 3, 4] {
        let token = start(&mut store, n, "p1");
        if n > 0 {
            report(&mut store, n, "p1", token, ReportKind::Complete);
        }
    }
    let hold = Command::Hold {
        item: item(5),
        reason: None,
    };
    let _ = store.submit(&hold).unwrap();
    assert_eq!(segments(&disk).len(), 3, "{:?}", segments(&disk));
    disk.settle();
    disk
}

/// The paths of the segments, in order.
pub(crate) fn segments(disk: &SimDisk) -> Vec<String> {
    let files = disk.files().into_iter().map(|(path, _)| path);
    let segment = |path: &String| path.ends_with(".wal") && !path.contains("quarantine");
    files.filter(segment).collect()
}

/// The same disk, without the memory of what was done to it.
pub(crate) fn fresh(disk: &SimDisk) -> SimDisk {
    disk.cut(&Survivors {
        kept: Vec::new(),
        torn: None,
    })
}

pub(crate) fn open(disk: &SimDisk) -> Result<PipelineState, Error> {
    let ports = disk.ports_for("reader");
    View::open(&ports, Path::new(DIR), &options()).map(|view| view.state().clone())
}

pub(crate) fn verified(disk: &SimDisk, extent: &Extent) -> Verified {
    let ports = disk.ports_for("verifier");
    verify::verify(&ports, Path::new(DIR), &options(), extent).unwrap()
}

pub(crate) fn verdict(disk: &SimDisk) -> Verdict {
    verified(disk, &Extent::default()).verdict
}

#[derive(Default)]
struct Count {
    mutants: u64,
    loud: u64,
    whole: u64,
    silent: Vec<String>,
}

impl Count {
    /// Opens a mutant. It must show everything, or refuse with file, byte and record; and verify must agree.
    fn check(&mut self, disk: &SimDisk, whole: &PipelineState, what: &str) {
        self.mutants += 1;
        match open(disk) {
            Ok(state) if state == *whole => self.whole += 1,
            Ok(state) => self
                .silent
                .push(format!("{what}: through {}", state.last_seq)),
            Err(Error::Damaged(damage) | Error::AmbiguousTail(damage)) => {
                self.loud += 1;
                assert!(damage.file.starts_with("wal"), "{what}: {damage}");
                assert!(damage.seq > Seq::NONE, "{what}: {damage}");
                let told = damage.to_string();
                assert!(told.contains("byte") && told.contains("record"), "{told}");
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }

    fn print(&self, name: &str) {
        let silent = self.silent.len();
        println!(
            "{name}: {} mutants, {} refused loudly, {} read whole, {silent} silent losses",
            self.mutants, self.loud, self.whole
        );
        assert!(
            self.silent.is_empty(),
            "{:?}",
            &self.silent[..silent.min(10)]
        );
        assert!(self.loud > 0);
    }
}

#[test]
fn every_flipped_bit_is_loud_or_harmless() {
    let base = small_store();
    let whole = open(&base).unwrap();
    let mut count = Count::default();
    let mut files = segments(&base);
    files.push(format!("{DIR}/wal/mark"));
    for path in &files {
        let bytes = base.peek(path).unwrap();
        let is_mark = path.ends_with("mark");
        for at in 0..bytes.len() {
            let disk = fresh(&base);
            for bit in 0..8 {
                let mut hurt = bytes.clone();
                hurt[at] ^= 1 << bit;
                disk.plant(path, &hurt).unwrap();
                let what = format!("{path} byte {at} bit {bit}");
                let loud = count.loud;
                count.check(&disk, &whole, &what);
                assert_eq!(count.loud > loud, !is_mark, "{what}");
                if bit == at % 8 {
                    let found = verified(&disk, &Extent::default());
                    let verdict = if is_mark {
                        Verdict::Warnings
                    } else {
                        Verdict::Damaged
                    };
                    assert_eq!(found.verdict, verdict, "{what}: {:?}", found.findings);
                }
            }
        }
    }
    count.print("bit flips");
}

#[test]
fn every_truncation_is_loud() {
    let base = small_store();
    let whole = open(&base).unwrap();
    let mut count = Count::default();
    for path in segments(&base) {
        let bytes = base.peek(&path).unwrap();
        let disk = fresh(&base);
        for len in 0..bytes.len() {
            disk.plant(&path, &bytes[..len]).unwrap();
            count.check(&disk, &whole, &format!("{path} cut at {len}"));
            if len % 16 == 0 {
                assert_eq!(verdict(&disk), Verdict::Damaged, "{path} cut at {len}");
            }
        }
    }
    count.print("truncations");
    assert_eq!(count.whole, 0);
}

#[test]
fn lines_and_files_out_of_place_are_loud() {
    let base = small_store();
    let last = segments(&base).pop().unwrap();
    let whole = open(&base).unwrap();
    let mut count = Count::default();
    for path in segments(&base) {
        let bytes = base.peek(&path).unwrap();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        let lines_there = lines.len();
        let disk = fresh(&base);
        for at in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(at);
            let mut twice = lines.clone();
            twice.insert(at, lines[at]);
            let mut swapped = lines.clone();
            swapped.swap(at, (at + 1) % lines.len());
            for (what, lines) in [("without", without), ("twice", twice), ("swapped", swapped)] {
                let hurt = lines.concat();
                if hurt != bytes {
                    disk.plant(&path, &hurt).unwrap();
                    let what = format!("{path} line {at} {what}");
                    let loud = count.loud;
                    count.check(&disk, &whole, &what);
                    // A last line twice: the second lies behind where the next header ends the segment.
                    let harmless = at + 1 == lines_there && what.ends_with("twice") && path != last;
                    assert_eq!(count.loud > loud, !harmless, "{what}");
                    let told = verdict(&disk);
                    assert_eq!(told >= Verdict::Ambiguous, !harmless, "{what}: {told:?}");
                }
            }
        }
    }
    let paths = segments(&base);
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        let disk = fresh(&base);
        disk.plant(&paths[a], &base.peek(&paths[b]).unwrap())
            .unwrap();
        count.check(&disk, &whole, "one segment over another");
        disk.plant(&paths[b], &base.peek(&paths[a]).unwrap())
            .unwrap();
        count.check(&disk, &whole, "two segments swapped");
    }
    for path in &paths {
        let disk = fresh(&base);
        disk.uproot(path).unwrap();
        count.check(&disk, &whole, "a segment missing");
        assert_eq!(verdict(&disk), Verdict::Damaged);
    }
    count.print("lines and files");
}

#[test]
fn a_clean_store_has_no_finding_and_its_head_can_be_kept() {
    let disk = small_store();
    let before = disk.digest();
    let extent = Extent {
        deep: true,
        head: None,
    };
    let clean = verified(&disk, &extent);
    assert_eq!(clean.findings, []);
    assert_eq!(clean.verdict, Verdict::Clean);
    let state = open(&disk).unwrap();
    assert_eq!(
        (clean.records, clean.last_seq),
        (state.last_seq.get(), state.last_seq)
    );
    assert_eq!((clean.durable_seq, clean.segments), (state.last_seq, 3));
    assert_eq!(disk.digest(), before, "verify writes nothing");

    let kept = (clean.head.unwrap(), clean.last_seq);
    let _ = start(&mut store(&disk.ports_for("writer")), 2, "p0");
    let expect = |head, at| {
        let head = Some((head, at));
        verified(&disk, &Extent { deep: false, head }).verdict
    };
    assert_eq!(expect(kept.0, Some(kept.1)), Verdict::Clean);
    assert_eq!(expect(kept.0, None), Verdict::Damaged);
    assert_eq!(expect(kept.0, Some(kept.1.before())), Verdict::Damaged);
    assert_eq!(expect(kept.0, Some(kept.1.plus(9))), Verdict::Damaged);
}

/// A record that says something else, with every checksum behind it computed anew: only a head tells.
#[test]
fn a_rewritten_history_is_told_by_its_head() {
    let disk = small_store();
    let kept = verified(&disk, &Extent::default());
    let path = segments(&disk).pop().unwrap();
    let bytes = disk.peek(&path).unwrap();
    let mut rewritten = Vec::new();
    let mut previous = None;
    for line in bytes[..bytes.len() - 1].split(|&byte| byte == b'\n') {
        let frame = phaselog::log::frame::parse(line).unwrap();
        let payload = frame.payload.replace("\"completed\"", "\"skipped\"");
        let before = previous.unwrap_or(frame.previous);
        let (seq, durable) = (frame.seq, frame.durable);
        let crc = phaselog::log::frame::encode(&mut rewritten, before, seq, durable, &payload);
        previous = Some(crc);
    }
    assert_ne!(rewritten, bytes);
    disk.plant(&path, &rewritten).unwrap();
    assert_eq!(verdict(&disk), Verdict::Clean);
    let head = Some((kept.head.unwrap(), Some(kept.last_seq)));
    let told = verified(&disk, &Extent { deep: false, head });
    assert_eq!(
        (told.verdict, told.findings[0].code),
        (Verdict::Damaged, "V-HEAD")
    );
}

/// Somebody rewrites the first segment and declares it given up, so that no reader looks at it: the head is still the
/// one that was known, and proves nothing any more.
#[test]
fn a_head_does_not_cover_what_was_given_up_after_it() {
    let disk = small_store();
    let kept = verified(&disk, &Extent::default());
    let path = segments(&disk).remove(0);
    let mut bytes = disk.peek(&path).unwrap();
    let line = bytes.iter().position(|&byte| byte == b'\n').unwrap();
    bytes[line + 20] ^= 1;
    bytes[line + 40] ^= 1;
    disk.plant(&path, &bytes).unwrap();
    let ports = disk.ports_for("repair");
    let (dir, options) = (Path::new("data"), options());
    let plan = repair::plan(&ports, dir, &options, Occasion::Hurt).unwrap();
    let done = repair::apply(&ports, dir, &options, Occasion::Hurt, &plan.lost).unwrap();
    assert!(matches!(done, Repaired::Done { .. }));
    let expect = |head, at| {
        let head = Some((head, Some(at)));
        verified(&disk, &Extent { deep: false, head })
    };
    let told = expect(kept.head.unwrap(), kept.last_seq);
    assert_eq!(told.verdict, Verdict::Damaged);
    let said = &told.findings.last().unwrap();
    assert_eq!(said.code, "V-HEAD");
    assert!(said.message.contains("was given up after that"), "{said:?}");
    // Who takes note of the head now knows of the loss.
    let now = verified(&disk, &Extent::default());
    assert_eq!(now.verdict, Verdict::Warnings);
    let told = expect(now.head.unwrap(), now.last_seq);
    assert_eq!(told.verdict, Verdict::Warnings);
}

#[test]
fn bytes_in_flight_are_no_finding_and_torn_ones_are() {
    let disk = small_store();
    let path = segments(&disk).pop().unwrap();
    let mut torn = disk.peek(&path).unwrap();
    torn.extend_from_slice(b"0123abcd 0123");
    disk.plant(&path, &torn).unwrap();
    let writer = disk.ports_for("writer");
    let lock = writer.disk.open_write(Path::new("data/wal/lock")).unwrap();
    assert!(lock.lock(LockKind::Exclusive, Duration::ZERO).unwrap());
    assert_eq!(verdict(&disk), Verdict::Clean);
    lock.unlock().unwrap();
    let found = verified(&disk, &Extent::default());
    assert_eq!(
        (found.verdict, found.findings[0].code),
        (Verdict::Torn, "V-TORN")
    );
    assert_eq!(found.findings[0].bytes, Some(13));
    // Sealed, it is history.
    let _ = start(&mut store(&writer), 2, "p0");
    assert_eq!(verdict(&disk), Verdict::Clean);
}

#[test]
fn what_lies_around_is_looked_at() {
    let codes = |disk: &SimDisk| -> Vec<&'static str> {
        let found = verified(disk, &Extent::default());
        assert_eq!(found.verdict, Verdict::Warnings);
        found.findings.iter().map(|finding| finding.code).collect()
    };
    let disk = small_store();
    disk.plant("data/wal/mark", b"no mark").unwrap();
    assert_eq!(codes(&disk), ["V-MARK"]);
    let disk = small_store();
    disk.plant("data/wal/poisoned", b"").unwrap();
    assert_eq!(codes(&disk), ["V-POISONED"]);
    let disk = small_store();
    disk.plant(
        "data/wal/.00000000000000000099.wal.0123456789abcdef.tmp",
        b"",
    )
    .unwrap();
    disk.plant("data/wal/00000000000000000001.wal.orig", b"")
        .unwrap();
    disk.plant("data/work_items.json.next", b"{}").unwrap();
    let found = codes(&disk);
    for code in ["V-LEFT-OVER", "V-NAME"] {
        assert!(found.contains(&code), "{found:?}");
    }
    // What repair sets aside is no finding.
    let disk = small_store();
    disk.plant("data/wal/quarantine/mark.20260101T000000.00000000", b"x")
        .unwrap();
    assert_eq!(verdict(&disk), Verdict::Clean);
}

/// What a crash left and a writer sealed is only noted; what somebody added behind a sealed end is a finding, for nobody
/// reads it, and no crash put it there.
#[test]
fn what_lies_behind_a_sealed_end_is_named() {
    let base = small_store();
    let first = segments(&base).remove(0);
    let bytes = base.peek(&first).unwrap();
    let line = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .next_back()
        .unwrap();
    for (behind, weight) in [
        (b"0123abcd 0123".to_vec(), Verdict::Clean),
        (vec![0; 700], Verdict::Clean),
        (line[..line.len() / 2].to_vec(), Verdict::Clean),
        (b"rubbish\n".to_vec(), Verdict::Warnings),
        (line.to_vec(), Verdict::Warnings),
        ([line, line].concat(), Verdict::Warnings),
    ] {
        let disk = fresh(&base);
        disk.plant(&first, &[&bytes[..], &behind].concat()).unwrap();
        let found = verified(&disk, &Extent::default());
        assert_eq!(found.verdict, weight, "{:?}", found.findings);
        let [finding] = &*found.findings else {
            panic!("{:?}", found.findings);
        };
        assert_eq!((finding.code, finding.weight), ("V-SEALED", weight));
        assert_eq!(finding.byte, Some(bytes.len() as u64), "{finding:?}");
        assert_eq!(finding.bytes, Some(behind.len() as u64), "{finding:?}");
        assert_eq!(open(&disk).unwrap(), open(&base).unwrap());
    }
}
