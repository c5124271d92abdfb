//! Reading: recovery from the text of the log, the audit of a long one, verification; and SQLite's opening.

use std::path::Path;
use std::sync::Arc;

use phaselog::pipeline::Status;
use phaselog::store::CacheMode;
use phaselog::testing::FixedClock;
use phaselog::{Options, Ports, View};

use crate::job;
use crate::measure::{Bar, Contender, Failed, heading, interleave, millis, timed};
use crate::oneshot::{phaselog, run};
use crate::{Scale, logs, peers};

/// Replays a log of a million records from record 1, and opens a store of as many items beside SQLite.
pub fn recovery(scale: &Scale, dir: &Path) {
    let records = scale.of(1_000_000, 50_000);
    heading(&format!(
        "Recovery of {records} records from text, one core"
    ));
    let store = dir.join("recovery");
    let bytes = match logs::large(&store, 10_000, records) {
        Ok(bytes) => bytes,
        Err(error) => return println!("  skipped: {error}"),
    };
    let total = (records + 10_000) as f64;
    let contenders = vec![
        Contender::new("phaselog, replay into the state", |_| {
            let (_, took) = timed(|| Ok(View::open(&Ports::real(), &store, &job::options())?))?;
            Ok(total / took.as_secs_f64() / 1e6)
        }),
        Contender::new("read, checksum and split the lines only", |_| {
            let (_, took) = timed(|| lines_only(&store))?;
            Ok(total / took.as_secs_f64() / 1e6)
        }),
    ];
    let figures = interleave(scale.rounds(), contenders);
    figures.print("M/s");
    if let Some(rate) = figures.median("phaselog, replay into the state") {
        println!(
            "  {:.0} bytes a record; {:.0} MB/s",
            bytes as f64 / total,
            rate * bytes as f64 / total
        );
        Bar::AtLeast(1.4).print("million records a second", rate);
    }
    let _ = std::fs::remove_dir_all(&store);
}

/// What any reader of this format has to do at least: every byte through CRC-32, every line found.
fn lines_only(dir: &Path) -> Result<u64, Failed> {
    let mut sum = 0;
    for segment in job::segments(dir)? {
        let bytes = std::fs::read(segment)?;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            sum += u64::from(phaselog::log::Crc::of(line).value());
        }
    }
    Ok(sum)
}

/// `history` of one item in a log of ten million records, and `verify` of it.
pub fn audit(scale: &Scale, dir: &Path) {
    let records = scale.of(10_000_000, 100_000);
    heading(&format!(
        "Audit of a log of {records} records, from the page cache, whole commands"
    ));
    let store = dir.join("audit");
    let made = logs::large(&store, 10_000.min(records / 10), records)
        .and_then(|bytes| logs::compact(&store).map(|()| bytes));
    let bytes = match made {
        Ok(bytes) => bytes as f64,
        Err(error) => return println!("  skipped: {error}"),
    };
    println!(
        "  {:.0} MB in {} segments",
        bytes / 1e6,
        job::segments(&store).map_or(0, |it| it.len())
    );
    let speed = |took: f64| bytes / 1e6 / took;
    let contenders = vec![
        Contender::new("phaselog history ITEM", |_| {
            Ok(speed(run(
                phaselog(&store)?.args(["history", &job::address(7)])
            )?))
        }),
        Contender::new("phaselog verify", |_| {
            Ok(speed(run(phaselog(&store)?.arg("verify"))?))
        }),
    ];
    let figures = interleave(scale.rounds().min(3), contenders);
    figures.print("GB/s");
    for (name, bar) in [("phaselog history ITEM", 1.5), ("phaselog verify", 0.5)] {
        if let Some(speed) = figures.median(name) {
            Bar::AtLeast(bar).print(&format!("GB a second, {name}"), speed);
        }
    }
    let _ = std::fs::remove_dir_all(&store);
}

/// Opens a store, beside SQLite, and lists everything pending.
pub fn opening(scale: &Scale, dir: &Path) {
    for items in [scale.of(100_000, 1_000), scale.of(1_000_000, 2_000)] {
        if let Err(error) = opening_of(items, scale, dir) {
            println!("  skipped: {error}");
        }
    }
}

const BY_CACHE: &str = "phaselog in process, every pending phase";
const AFTER_BOOT: &str = "the same, the first time after a boot";
const FROM_TEXT: &str = "the same without a cache: recovery";
const SQLITE: &str = "SQLite in process, SELECT pending";

fn opening_of(items: usize, scale: &Scale, dir: &Path) -> Result<(), Failed> {
    heading(&format!("Open and list what is pending, {items} items"));
    let (store, sqlite) = (dir.join("opening"), dir.join("opening.db"));
    job::store(&store, items)?;
    run(phaselog(&store)?.arg("compact"))?;
    // The first command makes the cache.
    run(phaselog(&store)?.args(["hold", &job::address(0)]))?;
    peers::sqlite(&sqlite, items)?;
    let other_boot = || Ports {
        clock: Arc::new(FixedClock::default()),
        ..Ports::real()
    };
    let without = Options {
        cache: CacheMode::Never,
        ..job::options()
    };
    let contenders = vec![
        Contender::new(BY_CACHE, |_| list(&Ports::real(), &store, &job::options())),
        Contender::new(AFTER_BOOT, |_| list(&other_boot(), &store, &job::options())),
        Contender::new(FROM_TEXT, |_| list(&Ports::real(), &store, &without)),
        Contender::new(SQLITE, |_| {
            let (_, took) = timed(|| {
                let database = peers::sqlite_open(&sqlite)?;
                let mut select =
                    database.prepare("SELECT item, phase FROM state WHERE status = 'pending'")?;
                let rows = select.query_map([], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
                })?;
                Ok(rows.count())
            })?;
            Ok(millis(took))
        }),
        Contender::new("phaselog resume --dry-run, whole command", |_| {
            run(phaselog(&store)?.args(["resume", "--dry-run"]))
        }),
        Contender::new("phaselog resume, whole command", |_| {
            run(phaselog(&store)?.arg("resume"))
        }),
        Contender::new("sqlite3 shell, SELECT pending", |_| {
            let select = "SELECT item, phase FROM state WHERE status = 'pending' ORDER BY item";
            run(std::process::Command::new("sqlite3")
                .arg(&sqlite)
                .arg(select))
        }),
    ];
    let figures = interleave(scale.rounds().min(5), contenders);
    figures.print("ms");
    for name in [BY_CACHE, AFTER_BOOT] {
        figures.bar(&format!("{name} : SQLite"), name, SQLITE, Bar::AtMost(1.5));
    }
    let _ = std::fs::remove_dir_all(&store);
    Ok(())
}

/// Milliseconds to open a store and to go through every phase that is pending, with its names.
fn list(ports: &Ports, store: &Path, options: &Options) -> Result<f64, Failed> {
    let (_, took) = timed(|| {
        let view = View::open(ports, store, options)?;
        let state = view.state();
        let phases = state.plan.phases();
        let mut listed = 0;
        for item in state.items() {
            let named = item.phases.iter().zip(phases);
            let pending = named.filter(|(phase, _)| phase.status == Status::Pending);
            for (_, planned) in pending {
                std::hint::black_box((item.name.as_str(), planned.phase.as_str()));
                listed += 1;
            }
        }
        Ok(listed)
    })?;
    Ok(millis(took))
}
