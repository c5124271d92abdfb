//! Hurt stores: bits flipped, files cut short, files gone; whatever is read then ends, writes nothing, and says what
//! is missing.

use std::path::Path;

use phaselog::log::mark::MARK;
use phaselog::testing::oracles::{self, Budget, Claim, Place};
use phaselog::testing::{Claims, SimDisk, Survivors};

use crate::bench::Bench;
use crate::table::Row;
use crate::workload::{DIR, Step, add, base, complete, hold, options};

pub(crate) fn run(bench: &Bench) -> Vec<Row> {
    let mut hurts = Hurts {
        bench,
        mutants: 0,
        violations: Vec::new(),
    };
    let (disk, claims) = store(bench);
    let unmarked = disk.fork();
    unmarked.plant(format!("{DIR}/wal/{MARK}"), b"").unwrap();
    let files: Vec<(String, Vec<u8>)> = disk
        .files()
        .into_iter()
        .filter_map(|(path, bytes)| Some((path, bytes?)))
        .filter(|(path, _)| path.ends_with(".wal"))
        .collect();
    let step = bench.pick(41, 3);
    for (path, bytes) in &files {
        for at in (0..bytes.len()).step_by(step) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            hurts.check(&disk, &claims, path, &flipped, "flipped");
            hurts.check(&disk, &claims, path, &bytes[..at], "cut");
            // The mark is a hint and may be gone; then the records behind a hurt one are all that attests it.
            if at < last_line(bytes) {
                hurts.check(&unmarked, &claims, path, &flipped, "flipped, no mark");
            }
        }
        // The last record, which nobody behind it attests.
        for back in (1..60.min(bytes.len())).step_by(bench.pick(7, 1)) {
            let mut flipped = bytes.clone();
            flipped[bytes.len() - back] ^= 0x10;
            hurts.check(&disk, &claims, path, &flipped, "flipped at the end");
        }
    }
    vec![Row {
        layer: "hurt logs",
        count: hurts.mutants,
        unit: "mutants",
        target: 0,
        more: "O6, O9, O10 on each; tests/it/damage.rs has every bit".to_owned(),
        violations: hurts.violations,
        long: bench.is_long(),
    }]
}

/// Where the last line begins.
fn last_line(bytes: &[u8]) -> usize {
    let before = bytes.len().saturating_sub(1);
    let newline = bytes[..before].iter().rposition(|&byte| byte == b'\n');
    newline.map_or(0, |at| at + 1)
}

/// A store of several segments with a snapshot, all of it acknowledged and durable.
fn store(bench: &Bench) -> (SimDisk, Vec<Claim>) {
    let (disk, claims) = (base(), Claims::default());
    let steps = [
        Step::Start("a", "p"),
        Step::Complete("a", "p"),
        add(&["c", "d", "e"]),
        hold("b"),
        Step::Start("a", "q"),
        Step::Complete("a", "q"),
        complete("c"),
        // The last segment has records of its own: only the mark and the records behind attest those.
        hold("d"),
        hold("e"),
    ];

    bench.work(disk.ports_for("worker"), &claims, &steps);
    disk.settle();
    (disk, claims.all())
}

struct Hurts<'b> {
    bench: &'b Bench,
    mutants: u64,
    violations: Vec<String>,
}

impl Hurts<'_> {
    fn check(&mut self, disk: &SimDisk, claims: &[Claim], path: &str, bytes: &[u8], what: &str) {
        if self.bench.first_only && !self.violations.is_empty() {
            return;
        }
        self.mutants += 1;
        let hurt = disk.cut(&Survivors {
            kept: Vec::new(),
            torn: None,
        });
        hurt.plant(path, bytes).unwrap();
        let reader = self.bench.ports(hurt.ports_for("reader"));
        let options = options();
        let place = Place {
            ports: &reader,
            dir: Path::new(DIR),
            options: &options,
        };
        let loud = oracles::o6_what_is_missing_is_loud(place, claims).map(drop);
        let everything = |place: Place<'_>| {
            oracles::o10_bounded(place, Budget::default(), oracles::read_everything)
        };
        let read = || oracles::o9_reads_only(place, everything).and_then(|bounded| bounded);
        if let Err(wrong) = loud.and_then(|()| read()) {
            let len = bytes.len();
            self.violations
                .push(format!("{path} {what}, now {len} bytes: {wrong}"));
        }
    }
}
