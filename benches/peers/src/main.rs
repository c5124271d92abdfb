//! Measures phaselog and its peers side by side in one run, and prints ratios.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- [--quick] [--only WORD]… [--dir DIR]
//! ```
//!
//! The default run takes some minutes and wants a quiet machine; `--quick` only shows that everything runs. What is
//! missing on a machine (sqlite3, python3) is left out, with its reason.

mod growth;
mod job;
mod logs;
mod measure;
mod oneshot;
mod peers;
mod reading;
mod safety;
mod snapshots;
mod writers;

use std::path::{Path, PathBuf};

use clap::Parser;

use measure::Failed;

#[derive(Parser)]
struct Args {
    /// Small figures that mean nothing: only that it runs
    #[arg(long)]
    quick: bool,
    /// Only these parts
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Where the files are made; best on the disk that is to be measured
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Of the program itself: a writer process
    #[arg(long, hide = true, num_args = 3, value_names = ["DIR", "FIRST", "EACH"])]
    writer: Option<Vec<String>>,
    /// Of the program itself: runs a command and prints the largest resident size of it
    #[arg(long, hide = true, num_args = 1.., allow_hyphen_values = true)]
    peak: Option<Vec<String>>,
}

/// How much is measured.
pub enum Scale {
    Quick,
    Full,
}

impl Scale {
    /// One of two figures.
    pub fn of(&self, full: usize, quick: usize) -> usize {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }

    /// How often the contenders take turns.
    pub fn rounds(&self) -> usize {
        self.of(5, 1)
    }
}

/// A part of the suite.
type Part = (&'static str, fn(&Scale, &Path));

const PARTS: [Part; 10] = [
    ("writer", writers::one),
    ("threads", writers::threads),
    ("processes", writers::processes),
    ("oneshot", oneshot::complete),
    ("recovery", reading::recovery),
    ("opening", reading::opening),
    ("snapshots", snapshots::compaction),
    ("audit", reading::audit),
    ("growth", growth::table),
    ("safety", safety::costs),
];

fn main() -> Result<(), Failed> {
    let args = Args::parse();
    if let Some([dir, first, each]) = args.writer.as_deref() {
        return writers::child(Path::new(dir), first.parse()?, each.parse()?);
    }
    if let Some(command) = &args.peak {
        return growth::peak(command);
    }
    if let Some(word) = args
        .only
        .iter()
        .find(|word| PARTS.iter().all(|(name, _)| name != word))
    {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no part {word}; there are: {}", names.join(", ")).into());
    }
    let scale = if args.quick {
        Scale::Quick
    } else {
        Scale::Full
    };
    let dir = args
        .dir
        .join(format!("phaselog-peers-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    println!("{}", machine());
    for (name, part) in PARTS {
        if args.only.is_empty() || args.only.iter().any(|word| word == name) {
            part(&scale, &dir);
        }
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// What the figures were taken on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!(
        "{cores} cores, kernel {}, load {load}; medians of interleaved rounds",
        kernel.trim()
    )
}
