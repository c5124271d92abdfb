//! Reading: recovery from the text of the log, the audit of a long one, verification; and SQLite's opening.

use std::path::Path;

use phaselog::{Ports, View};

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

/// Opens a store with its snapshot, beside SQLite that opens and lists everything pending.
pub fn opening(scale: &Scale, dir: &Path) {
    let items = scale.of(100_000, 2_000);
    heading(&format!(
        "Open and list what is ready, {items} items, whole commands"
    ));
    let (store, sqlite) = (dir.join("opening"), dir.join("opening.db"));
    let made = job::store(&store, items)
        .and_then(|()| run(phaselog(&store)?.arg("compact")))
        .and_then(|_| peers::sqlite(&sqlite, items));
    if let Err(error) = made {
        return println!("  skipped: {error}");
    }
    let contenders = vec![
        Contender::new("phaselog resume", |_| run(phaselog(&store)?.arg("resume"))),
        Contender::new("sqlite3 shell, SELECT pending", |_| {
            let select = "SELECT item, phase FROM state WHERE status = 'pending' ORDER BY item";
            run(std::process::Command::new("sqlite3")
                .arg(&sqlite)
                .arg(select))
        }),
        Contender::new("SQLite in process, SELECT pending", |_| {
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
    ];
    let figures = interleave(scale.rounds(), contenders);
    figures.print("ms");
    let other = "SQLite in process, SELECT pending";
    figures.bar(
        "phaselog resume : SQLite in process",
        "phaselog resume",
        other,
        Bar::AtMost(1.5),
    );
    let _ = std::fs::remove_dir_all(&store);
}
