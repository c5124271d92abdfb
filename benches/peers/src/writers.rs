//! Writers: one, eight threads, eight processes; each transition is durable before the next of the same writer begins.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use phaselog::{Ports, SharedStore, Store};

use crate::Scale;
use crate::job::{self, PHASES};
use crate::measure::{Bar, Contender, Failed, heading, interleave};
use crate::peers;

/// How many threads, or processes.
const MANY: usize = 8;

/// One writer: phaselog, the loop that is its limit, and its peers. All files stay open; turns are short, so that a disk
/// that is slow for a moment is so for everybody.
pub fn one(scale: &Scale, dir: &Path) {
    if let Err(error) = one_beside_peers(scale, dir) {
        println!("  skipped: {error}");
    }
}

fn one_beside_peers(scale: &Scale, dir: &Path) -> Result<(), Failed> {
    let (steps, rounds) = (scale.of(50, 60), scale.of(60, 2));
    heading(&format!(
        "One writer, {rounds} rounds of {steps} transitions"
    ));
    let (path, json) = (dir.join("one"), dir.join("one.json"));
    let items = job::items_for(steps * rounds);
    job::store(&path, items)?;
    let mut store = Store::open(Ports::real(), &path, job::options())?;
    let raw = peers::raw(&dir.join("one.raw"))?;
    let okay = peers::okaywal(&dir.join("one.okay"))?;
    peers::sqlite(&dir.join("one.db"), items)?;
    let mut database = peers::sqlite_open(&dir.join("one.db"))?;
    std::fs::write(&json, job::work_items(36))?;
    // The very bytes that phaselog appends are what the others append; the first to run makes them.
    let (lines, mut token) = (Mutex::new(Vec::new()), None);
    let contenders = vec![
        Contender::new("phaselog", |round| {
            let begin = Instant::now();
            for step in round * steps..(round + 1) * steps {
                token = store.submit(&job::step(0, step, token))?.seq();
            }
            let rate = rate(steps, begin);
            *lines.lock().expect("no panics") = job::last_lines(&path, steps)?;
            Ok(rate)
        }),
        Contender::new("raw append + fdatasync, the same bytes", |_| {
            let lines = lines.lock().expect("no panics");
            let begin = Instant::now();
            peers::raw_appends(&raw, &lines)?;
            Ok(rate(steps, begin))
        }),
        Contender::new("SQLite WAL, synchronous=FULL", |round| {
            let lines = payloads(&lines.lock().expect("no panics"));
            let begin = Instant::now();
            for (step, payload) in lines.iter().enumerate() {
                sqlite_step(&mut database, 0, round * steps + step, payload)?;
            }
            Ok(rate(steps, begin))
        }),
        Contender::new("okaywal (keeps the event only)", |_| {
            let lines = lines.lock().expect("no panics");
            let begin = Instant::now();
            for line in &*lines {
                peers::okaywal_append(&okay, line)?;
            }
            Ok(rate(steps, begin))
        }),
        Contender::new("Python, whole file of 36 items, not durable", |_| {
            peers::python(&json, scale.of(20, 4))
        }),
    ];
    let figures = interleave(rounds, contenders);
    figures.print("/s");
    let bar = |what, other, bar| figures.bar(what, "phaselog", other, Bar::AtLeast(bar));
    bar(
        "phaselog : raw loop",
        "raw append + fdatasync, the same bytes",
        0.95,
    );
    bar(
        "phaselog : SQLite FULL",
        "SQLite WAL, synchronous=FULL",
        1.1,
    );
    bar("phaselog : okaywal", "okaywal (keeps the event only)", 1.0);
    bar(
        "phaselog : Python",
        "Python, whole file of 36 items, not durable",
        15.0,
    );
    okay.shutdown()?;
    Ok(())
}

/// Eight threads of one process.
pub fn threads(scale: &Scale, dir: &Path) {
    let (each, rounds) = (scale.of(300, 120), scale.of(15, 1));
    heading(&format!(
        "{MANY} threads, {rounds} rounds of {each} transitions each"
    ));
    let (single, many) = (dir.join("threads.one"), dir.join("threads"));
    let (okay, sqlite) = (dir.join("threads.okay"), dir.join("threads.db"));
    let lines = Mutex::new(Vec::new());
    let contenders = vec![
        Contender::new("phaselog, one thread", |_| {
            let rate = phaselog_steps(&single, each)?;
            *lines.lock().expect("no panics") = job::last_lines(&single, each)?;
            Ok(rate)
        }),
        Contender::new("phaselog, 8 threads", |_| phaselog_threads(&many, each)),
        Contender::new("okaywal, 8 threads", |_| {
            let (log, lines) = (peers::okaywal(&okay)?, lines.lock().expect("no panics"));
            let rate = together(each, |_, begin| {
                begin.wait();
                lines
                    .iter()
                    .try_for_each(|line| peers::okaywal_append(&log, line))
            })?;
            log.shutdown()?;
            Ok(rate)
        }),
        Contender::new("SQLite FULL, 8 threads", |_| {
            let items = job::items_for(each);
            peers::sqlite(&sqlite, MANY * items)?;
            let lines = payloads(&lines.lock().expect("no panics"));
            together(each, |thread, begin| {
                let mut database = peers::sqlite_open(&sqlite)?;
                begin.wait();
                let mut steps = lines.iter().enumerate();
                steps.try_for_each(|(step, payload)| {
                    sqlite_step(&mut database, thread * items, step, payload)
                })
            })
        }),
    ];
    let figures = interleave(rounds, contenders);
    figures.print("/s");
    let bar = |what, other, bar| figures.bar(what, "phaselog, 8 threads", other, Bar::AtLeast(bar));
    bar("8 threads : one thread", "phaselog, one thread", 4.0);
    bar("8 threads : okaywal, 8 threads", "okaywal, 8 threads", 1.0);
    bar(
        "8 threads : SQLite FULL, 8 threads",
        "SQLite FULL, 8 threads",
        5.0,
    );
}

/// Eight processes on one store.
pub fn processes(scale: &Scale, dir: &Path) {
    let (each, rounds) = (scale.of(200, 120), scale.of(15, 1));
    heading(&format!(
        "{MANY} processes, {rounds} rounds of {each} transitions each"
    ));
    let (single, many) = (dir.join("processes.one"), dir.join("processes"));
    let contenders = vec![
        Contender::new("phaselog, one process", |_| children(&single, 1, each)),
        Contender::new("phaselog, 8 processes", |_| children(&many, MANY, each)),
    ];
    let figures = interleave(rounds, contenders);
    figures.print("/s");
    let (many, one) = ("phaselog, 8 processes", "phaselog, one process");
    figures.bar("8 processes : one process", many, one, Bar::AtLeast(2.5));
}

/// One writer in this process; transitions per second.
fn phaselog_steps(dir: &Path, steps: usize) -> Result<f64, Failed> {
    job::store(dir, job::items_for(steps))?;
    let mut store = Store::open(Ports::real(), dir, job::options())?;
    let begin = Instant::now();
    write(&mut store, 0, steps)?;
    Ok(rate(steps, begin))
}

fn write(store: &mut Store, first: usize, steps: usize) -> Result<(), Failed> {
    let mut token = None;
    for step in 0..steps {
        token = store.submit(&job::step(first, step, token))?.seq();
    }
    Ok(())
}

fn phaselog_threads(dir: &Path, each: usize) -> Result<f64, Failed> {
    let items = job::items_for(each);
    job::store(dir, MANY * items)?;
    let store = SharedStore::new(Store::open(Ports::real(), dir, job::options())?);
    together(each, |thread, begin| {
        begin.wait();
        let mut token = None;
        for step in 0..each {
            let command = job::step(thread * items, step, token);
            token = store.submit(&command)?.seq();
        }
        Ok(())
    })
}

/// Runs eight threads from one moment on; transitions per second of all of them.
fn together(
    each: usize,
    work: impl Fn(usize, &Barrier) -> Result<(), Failed> + Sync,
) -> Result<f64, Failed> {
    let barrier = Barrier::new(MANY + 1);
    let (work, barrier) = (&work, &barrier);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..MANY)
            .map(|thread| scope.spawn(move || work(thread, barrier).map_err(|it| it.to_string())))
            .collect();
        barrier.wait();
        let begin = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(rate(MANY * each, begin))
    })
}

/// Runs processes that each write from one moment on; transitions per second of all of them.
fn children(dir: &Path, count: usize, each: usize) -> Result<f64, Failed> {
    let items = job::items_for(each);
    job::store(dir, count * items)?;
    let program = std::env::current_exe()?;
    let mut children = Vec::new();
    for index in 0..count {
        let mut child = Command::new(&program);
        let child = child
            .arg("--writer")
            .arg(dir)
            .args([index * items, each].map(|it| it.to_string()));
        children.push(child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    }
    for child in &mut children {
        let mut ready = String::new();
        let out = child.stdout.as_mut().ok_or("no pipe")?;
        BufReader::new(out).read_line(&mut ready)?;
    }
    let begin = Instant::now();
    for child in &mut children {
        child.stdin.as_mut().ok_or("no pipe")?.write_all(b"go\n")?;
    }
    let done: Result<Vec<_>, _> = children.iter_mut().map(Child::wait).collect();
    if let Some(failed) = done?.into_iter().find(|status| !status.success()) {
        return Err(format!("a writer ended with {failed}").into());
    }
    Ok(rate(count * each, begin))
}

/// What a process of [`children`] does: opens the store, says so, waits for the word, writes.
pub fn child(dir: &Path, first: usize, each: usize) -> Result<(), Failed> {
    let mut store = Store::open(Ports::real(), dir, job::options())?;
    println!("ready");
    std::io::stdout().flush()?;
    std::io::stdin().read_line(&mut String::new())?;
    write(&mut store, first, each)
}

fn rate(steps: usize, begin: Instant) -> f64 {
    steps as f64 / begin.elapsed().as_secs_f64()
}

/// The payloads of these lines, as text.
fn payloads(lines: &[Vec<u8>]) -> Vec<String> {
    let payload = |line: &Vec<u8>| {
        let text = String::from_utf8_lossy(line);
        text.trim_end()
            .splitn(5, ' ')
            .nth(4)
            .unwrap_or_default()
            .to_owned()
    };
    lines.iter().map(payload).collect()
}

fn sqlite_step(
    database: &mut rusqlite::Connection,
    first: usize,
    step: usize,
    payload: &str,
) -> Result<(), Failed> {
    let attempt = step / 2;
    let address = job::address(first + attempt / PHASES.len());
    let phase = PHASES[attempt % PHASES.len()];
    peers::sqlite_step(database, &address, phase, step % 2 == 1, payload)
}

/// Where the programs are that were built beside this one.
pub fn beside(name: &str) -> Result<PathBuf, Failed> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        return Err(format!("{} was not built", path.display()).into());
    }
    Ok(path)
}
