//! Growth: what each command costs at 36 and at a million items.

use std::path::Path;
use std::process::Command;

use crate::Scale;
use crate::job::{self, PHASES};
use crate::measure::{Bar, Failed, digits, heading};
use crate::oneshot::{middle, phaselog, run};

const COLUMNS: [&str; 9] = [
    "items", "import", "complete", "resume", "status", "history", "compact", "memory", "disk",
];

/// Prints the table, one line a size.
pub fn table(scale: &Scale, dir: &Path) {
    let sizes: &[usize] = match scale {
        Scale::Quick => &[36, 1_000],
        Scale::Full => &[36, 1_000, 10_000, 100_000, 1_000_000],
    };
    heading(
        "Growth: milliseconds a command, PHASELOG_COMPACT=never; memory in MB, of resume; disk in MB, snapshots and log",
    );
    let header: Vec<String> = COLUMNS.iter().map(|name| format!("{name:>10}")).collect();
    println!("  {}", header.join(""));
    let mut completes = Vec::new();
    for &items in sizes {
        match row(&dir.join("growth"), items) {
            Ok(row) => {
                completes.push(row[1]);
                let cells: Vec<String> = row
                    .iter()
                    .map(|&cell| format!("{:>10}", digits(cell)))
                    .collect();
                println!("  {items:>10}{}", cells.join(""));
            }
            Err(error) => println!("  {items:>10}  skipped: {error}"),
        }
    }
    if let (Some(small), Some(large)) = (completes.first(), completes.last()) {
        let what = format!(
            "complete at {} items : at {}",
            sizes[completes.len() - 1],
            sizes[0]
        );
        Bar::AtMost(1.5).print(&what, large / small);
    }
}

fn row(dir: &Path, items: usize) -> Result<Vec<f64>, Failed> {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("work_items.json"), job::work_items(items))?;
    let runs = if items > 100_000 { 3 } else { 7 };
    let import = run(phaselog(dir)?
        .args(["import", "--assume-tz", "utc"])
        .arg(dir))?;
    let compact = run(phaselog(dir)?.arg("compact"))?;
    // The first reads what the import left; from then on each finds what the one before it found.
    let phase = PHASES[4];
    run(phaselog(dir)?.args(["complete", &job::address(0), phase]))?;
    let complete = middle(2 * runs, |shot| {
        run(phaselog(dir)?.args(["complete", &job::address(1 + shot), phase]))
    })?;
    let look = |words: &[&str]| middle(runs, |_| run(phaselog(dir)?.args(words)));
    let resume = look(&["resume"])?;
    let status = look(&["status"])?;
    let history = look(&["history", &job::address(1)])?;
    let memory = peak_memory(dir)?;
    let disk = disk(dir)? as f64 / 1e6;
    Ok(vec![
        import, complete, resume, status, history, compact, memory, disk,
    ])
}

/// The largest resident size of `resume`, in MB.
fn peak_memory(dir: &Path) -> Result<f64, Failed> {
    let mut wrapper = Command::new(std::env::current_exe()?);
    let command = phaselog(dir)?;
    wrapper
        .arg("--peak")
        .arg(command.get_program())
        .args(command.get_args())
        .arg("resume");
    let done = wrapper.env("PHASELOG_COMPACT", "never").output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().last().unwrap_or_default();
    Ok(last
        .parse::<f64>()
        .map_err(|_| format!("no figure of memory: {said}"))?)
}

/// Runs a command and prints the largest resident size of it, in MB, as the last line of standard error.
pub fn peak(command: &[String]) -> Result<(), Failed> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    Command::new(program)
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .status()?;
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?;
    eprintln!("{:.1}", usage.max_rss() as f64 / 1024.0);
    Ok(())
}

/// The length of all files below a directory; what has two names counts once.
pub fn disk(dir: &Path) -> Result<u64, Failed> {
    use std::os::unix::fs::MetadataExt as _;
    let (mut seen, mut total, mut left) =
        (std::collections::HashSet::new(), 0, vec![dir.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_dir() {
                left.push(entry.path());
            } else if seen.insert(found.ino()) {
                total += found.len();
            }
        }
    }
    Ok(total)
}
