//! What each safety costs: the durable field, the mark, the SHA-256 chain, the checks under the lock, and the sync
//! before an answer that has no record.

use std::path::Path;
use std::time::Instant;

use phaselog::log::{Access, From, Head, Log, LogOptions, Tail, Witnesses, Writer, frame, mark};
use phaselog::pipeline::{Command, Report, ReportKind};
use phaselog::ports::RealDisk;
use phaselog::position::Seq;
use phaselog::{Ports, Store};

use crate::measure::{Contender, Failed, digits, heading, interleave};
use crate::{Scale, job};

/// Prints each cost in microseconds beside one append.
pub fn costs(scale: &Scale, dir: &Path) {
    let runs = scale.of(1_000, 100);
    heading("Cost of safety: microseconds, beside one durable append");
    let (store, asked) = (dir.join("safety"), dir.join("safety.asked"));
    let made = job::store(&store, job::items_for(runs)).and_then(|()| job::store(&asked, 1));
    if let Err(error) = made {
        return println!("  skipped: {error}");
    }
    let contenders = vec![
        Contender::new("one durable append", |_| append(&store, runs)),
        Contender::new("checks under the lock (lock, look, unlock)", |_| {
            checks(&store, runs)
        }),
        Contender::new("the mark, raised by each append", |round| {
            raise(&store, runs, round)
        }),
        Contender::new("SHA-256 chain, a record's share of a segment", |_| {
            sha256(&store)
        }),
        Contender::new("CRC-32 and form of a record, read back", |_| verify(&store)),
        Contender::new("answer without a record, all known durable", |_| {
            unchanged(&asked, runs, false)
        }),
        Contender::new("answer without a record, after a sync", |_| {
            unchanged(&asked, runs.min(200), true)
        }),
    ];
    let figures = interleave(scale.rounds(), contenders);
    figures.print("us");
    match durable_field(&store) {
        Ok((bytes, share)) => {
            println!(
                "  the durable field: {} bytes a record, {:.1} % of the log",
                digits(bytes),
                share * 100.0
            );
        }
        Err(error) => println!("  skipped: the durable field: {error}"),
    }
}

fn micros(begin: Instant, runs: usize) -> f64 {
    begin.elapsed().as_secs_f64() * 1e6 / runs as f64
}

fn append(dir: &Path, runs: usize) -> Result<f64, Failed> {
    job::store(dir, job::items_for(runs))?;
    let mut store = Store::open(Ports::real(), dir, job::options())?;
    let (begin, mut token) = (Instant::now(), None);
    for step in 0..runs {
        token = store.submit(&job::step(0, step, token))?.seq();
    }
    Ok(micros(begin, runs))
}

fn writer(dir: &Path) -> Result<Writer, Failed> {
    let log = Log::new(Ports::real(), dir);
    let witnesses = Witnesses {
        mark: log.mark(),
        snapshot: Seq::NONE,
    };
    let end = log.read(
        From::FirstRecord,
        witnesses,
        Access::ReadWrite,
        false,
        &mut |_| Ok(()),
    )?;
    Ok(Writer::new(log, end, witnesses, LogOptions::default()))
}

fn checks(dir: &Path, runs: usize) -> Result<f64, Failed> {
    let mut writer = writer(dir)?;
    let begin = Instant::now();
    for _ in 0..runs {
        let mut locked = writer.lock()?;
        if *locked.catch_up(&mut |_| Ok(()))? != Tail::Clean {
            return Err("a torn tail".into());
        }
    }
    Ok(micros(begin, runs))
}

fn raise(dir: &Path, runs: usize, round: usize) -> Result<f64, Failed> {
    // On a directory of its own: a mark beyond the log's end would be a witness of lost records.
    let wal = dir.with_extension("mark");
    std::fs::create_dir_all(&wal)?;
    let begin = Instant::now();
    for run in 0..runs {
        mark::raise(&RealDisk, &wal, Seq::new((round * runs + run + 1) as u64))?;
    }
    Ok(micros(begin, runs))
}

fn sha256(dir: &Path) -> Result<f64, Failed> {
    let segments = job::segments(dir)?;
    let bytes = std::fs::read(segments.last().ok_or("no segment")?)?;
    let records = bytes.iter().filter(|&&byte| byte == b'\n').count();
    let begin = Instant::now();
    let mut head = Head::of_segment(None);
    head.update(&bytes);
    std::hint::black_box(head.value());
    Ok(micros(begin, records))
}

fn verify(dir: &Path) -> Result<f64, Failed> {
    let lines = job::last_lines(dir, 1_000)?;
    let begin = Instant::now();
    for _ in 0..10 {
        for line in &lines {
            std::hint::black_box(frame::parse(&line[..line.len() - 1])?);
        }
    }
    Ok(micros(begin, 10 * lines.len()))
}

/// The answer "unchanged": it rests on records, and waits until they are durable.
fn unchanged(dir: &Path, runs: usize, unsynced: bool) -> Result<f64, Failed> {
    let mut store = Store::open(Ports::real(), dir, job::options())?;
    let report = Report::new(job::item(0), job::phase(0), None, ReportKind::Complete);
    let command = Command::Report(report);
    let _ = store.submit(&command)?;
    let mut other = writer(dir)?;
    let mut took = 0.0;
    for _ in 0..runs {
        if unsynced {
            // Somebody wrote a record and died before the sync.
            let mut locked = other.lock()?;
            locked.catch_up(&mut |_| Ok(()))?;
            let note = r#"{"at":"2026-11-23T01:40:15.123456Z","event":"noted","note":"x"}"#;
            locked.append(&[note.to_owned()])?;
        }
        let begin = Instant::now();
        let _ = store.submit(&command)?;
        took += micros(begin, 1);
    }
    Ok(took / runs as f64)
}

fn durable_field(dir: &Path) -> Result<(f64, f64), Failed> {
    let lines = job::last_lines(dir, usize::MAX)?;
    let (mut field, mut total) = (0, 0);
    for line in &lines {
        total += line.len();
        let durable = line
            .split(|&byte| byte == b' ')
            .nth(3)
            .ok_or("no durable field")?;
        field += durable.len() + 1;
    }
    Ok((
        field as f64 / lines.len() as f64,
        field as f64 / total as f64,
    ))
}
