//! Snapshots: what writing one costs beside a plain serialise-and-sync, while appends go on.

use std::path::Path;
use std::time::{Duration, Instant};

use phaselog::snapshot::{LogPlace, TimeStyle, work_items};
use phaselog::store::Compacted;
use phaselog::{Ports, Store, View};

use crate::logs::{self, Syncs};
use crate::measure::{Bar, Contender, Failed, heading, interleave, median, millis};
use crate::{Scale, job, peers};

/// How many automatic compactions a share is taken of.
const COMPACTIONS: u64 = 4;

/// One compaction of 100,000 items.
pub fn compaction(scale: &Scale, dir: &Path) {
    let items = scale.of(100_000, 2_000);
    heading(&format!("work_items.json of {items} items"));
    let (path, plain) = (dir.join("snapshots"), dir.join("snapshots.json"));
    if let Err(error) = job::store(&path, items) {
        return println!("  skipped: {error}");
    }
    let (mut steps, mut token) = (0, None);
    let contenders = vec![
        Contender::new("phaselog compact, in process", |_| {
            let mut store = Store::open(Ports::real(), &path, job::options())?;
            // Without a change there is nothing to write.
            token = store.submit(&job::step(0, steps, token))?.seq();
            steps += 1;
            let begin = Instant::now();
            match store.compact(false)? {
                Compacted::Written { .. } => Ok(millis(begin.elapsed())),
                Compacted::Unchanged { .. } => Err("nothing was written".into()),
            }
        }),
        Contender::new("plain: serialise, write, sync, rename", |_| {
            let view = View::open(&Ports::real(), &path, &job::options())?;
            let begin = Instant::now();
            plain_save(&view, &plain)?;
            Ok(millis(begin.elapsed()))
        }),
        Contender::new("the same bytes from memory: write, sync", |_| {
            let bytes = std::fs::read(&plain)?;
            let begin = Instant::now();
            let file = peers::raw(&plain.with_extension("copy"))?;
            std::io::Write::write_all(&mut &file, &bytes)?;
            file.sync_data()?;
            Ok(millis(begin.elapsed()))
        }),
    ];
    let figures = interleave(scale.rounds(), contenders);
    figures.print("ms");
    let plain = "plain: serialise, write, sync, rename";
    figures.bar(
        "compact : plain",
        "phaselog compact, in process",
        plain,
        Bar::AtMost(1.2),
    );
    if let Err(error) = meanwhile(&path) {
        println!("  skipped: appends during a compaction: {error}");
    }
    if let Err(error) = amplification(scale, dir) {
        println!("  skipped: write amplification: {error}");
    }
}

/// Serialises the state as fast as it goes, without anything that makes it safe beyond one sync.
fn plain_save(view: &View, to: &Path) -> Result<(), Failed> {
    let place = LogPlace {
        id: view.log_id(),
        seq: view.last_seq(),
        crc32: 0,
        sha256: String::new(),
    };
    let file = peers::raw(&to.with_extension("tmp"))?;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, &file);
    work_items::encode(view.state(), &place, &[], TimeStyle::Utc, &mut out)?;
    out.into_inner().map_err(|error| error.to_string())?;
    file.sync_data()?;
    std::fs::rename(to.with_extension("tmp"), to)?;
    Ok(())
}

/// Another writer appends while a compaction runs: its slowest append says whether it had to wait.
fn meanwhile(path: &Path) -> Result<(), Failed> {
    let mut store = Store::open(Ports::real(), path, job::options())?;
    let mut other = Store::open(Ports::real(), path, job::options())?;
    let token = other.submit(&job::step(1, 0, None))?.seq();
    let done = std::sync::atomic::AtomicBool::new(false);
    let (took, times) = std::thread::scope(|scope| {
        let appender = scope.spawn(|| {
            let (mut times, mut token, mut step) = (Vec::new(), token, 1);
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let begin = Instant::now();
                let receipt = other
                    .submit(&job::step(1, step, token))
                    .map_err(|it| it.to_string())?;
                times.push(millis(begin.elapsed()));
                (token, step) = (receipt.seq(), step + 1);
            }
            Ok::<_, String>(times)
        });
        let begin = Instant::now();
        let compacted = store.compact(false);
        let took = millis(begin.elapsed());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let times = appender
            .join()
            .map_err(|_| "a thread panicked".to_owned())??;
        let _ = compacted.map_err(|error| error.to_string())?;
        Ok::<_, String>((took, times))
    })?;
    let slowest = times.iter().copied().fold(0.0, f64::max);
    println!(
        "  while a compaction took {took:.0} ms, another writer appended {} records: median {:.2} ms, slowest {slowest:.2} ms",
        times.len(),
        median(&times).unwrap_or(0.0)
    );
    Ok(())
}

/// Bytes written to snapshots for each byte of log, and what a record's share of them takes, at several sizes: transitions
/// without end, compacted whenever it is due. Only what a compaction does is synced; a record's own sync is no part of it.
fn amplification(scale: &Scale, dir: &Path) -> Result<(), Failed> {
    let sizes = match scale {
        Scale::Quick => &[100, 200][..],
        Scale::Full => &[1_000, 10_000, 100_000],
    };
    for &items in sizes {
        let path = dir.join("amplification");
        job::store(&path, items)?;
        let syncs = Syncs::default();
        let mut options = job::options();
        options.compact = phaselog::store::CompactMode::Auto;
        let mut store = Store::open(logs::switched(&syncs), &path, options)?;
        // What stands there after an import is written once, however long the log becomes.
        syncs.turn(true);
        let _ = store.compact_if_due()?;
        syncs.turn(false);
        let begin = log_bytes(&path)?;
        let (mut step, mut token, mut records) = (0, None, 0);
        let (mut took, mut written, mut count) = (Duration::ZERO, 0, 0);
        while count < COMPACTIONS {
            let receipt = store.submit(&job::turn(items, step, token))?;
            step += 1;
            if let Some(seq) = receipt.seq() {
                (token, records) = (Some(seq), records + 1);
            }
            if step % 64 != 0 {
                continue;
            }
            syncs.turn(true);
            let begin = Instant::now();
            if let Some(Compacted::Written { bytes, .. }) = store.compact_if_due()? {
                took += begin.elapsed();
                (written, count) = (written + bytes, count + 1);
            }
            syncs.turn(false);
        }
        let log = (log_bytes(&path)? - begin) as f64;
        println!(
            "  {items:>7} items: a compaction of {:.1} MB for every {} records, {:.2} us of it a record",
            written as f64 / 1e6 / COMPACTIONS as f64,
            records / COMPACTIONS,
            took.as_secs_f64() * 1e6 / records as f64
        );
        let ratio = (log + written as f64) / log;
        Bar::AtMost(2.0).print("bytes written : bytes of log (write amplification)", ratio);
    }
    Ok(())
}

/// The length of the log of a store.
fn log_bytes(path: &Path) -> Result<u64, Failed> {
    let segments = job::segments(path)?.into_iter();
    let sizes = segments.map(|segment| Ok(std::fs::metadata(segment)?.len()));
    sizes.sum()
}
