//! Snapshots: what writing one costs beside a plain serialise-and-sync, while appends go on.

use std::path::Path;
use std::time::Instant;

use phaselog::snapshot::{LogPlace, TimeStyle, work_items};
use phaselog::store::Compacted;
use phaselog::{Ports, Store, View};

use crate::measure::{Bar, Contender, Failed, heading, interleave, median, millis};
use crate::{Scale, job, peers};

/// One compaction of 100,000 items.
pub fn compaction(scale: &Scale, dir: &Path) {
    let items = scale.of(100_000, 2_000);
    heading(&format!("work_items.json of {items} items"));
    let (path, plain) = (dir.join("snapshots"), dir.join("snapshots.json"));
    if let Err(error) = job::store(&path, items) {
        return println!("  skipped: {error}");
    }
    let mut steps = 0;
    let contenders = vec![
        Contender::new("phaselog compact, in process", |_| {
            let mut store = Store::open(Ports::real(), &path, job::options())?;
            // Without a change there is nothing to write.
            let _ = store.submit(&job::step(
                0,
                steps,
                store.state().items()[0].phases[0].token,
            ))?;
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

/// Bytes written to snapshots for each byte of log, with automatic compaction, at two sizes.
fn amplification(scale: &Scale, dir: &Path) -> Result<(), Failed> {
    for items in [scale.of(500, 100), scale.of(5_000, 200)] {
        let path = dir.join("amplification");
        job::store(&path, items)?;
        let mut options = job::options();
        options.compact = phaselog::store::CompactMode::Auto;
        let mut store = Store::open(Ports::real(), &path, options)?;
        let (mut log, mut snapshots, mut count) = (0, 0, 0);
        let (mut token, begin) = (None, Instant::now());
        let mut compacting = 0.0;
        for step in 0..items * 12 {
            let receipt = store.submit(&job::step(0, step, token))?;
            token = receipt.seq();
            // What a line takes beyond its payload is counted at the end, from the files.
            log += 1;
            let before = Instant::now();
            if let Some(Compacted::Written { bytes, .. }) = store.compact_if_due()? {
                (snapshots, count) = (snapshots + bytes, count + 1);
                compacting += before.elapsed().as_secs_f64();
            }
            if begin.elapsed().as_secs() >= 20 {
                break;
            }
        }
        let mut bytes = 0;
        for segment in job::segments(&path)? {
            bytes += std::fs::metadata(segment)?.len();
        }
        println!(
            "  {items} items, {log} transitions: {count} automatic compactions, {:.1} us of them a record",
            compacting * 1e6 / f64::from(log)
        );
        let ratio = (bytes + snapshots) as f64 / bytes as f64;
        Bar::AtMost(2.0).print("bytes written : bytes of log (write amplification)", ratio);
    }
    Ok(())
}
