//! The least that a command can do that keeps its word: parse its arguments, append a line, sync.

use std::io::Write as _;

#[derive(clap::Parser)]
struct Args {
    file: std::path::PathBuf,
    item: String,
    phase: String,
}

fn main() -> std::io::Result<()> {
    let args = <Args as clap::Parser>::parse();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(args.file)?;
    let line = format!(
        "00000000 00000000 1 0 {{\"at\":\"2026-11-23T01:40:15.123456Z\",\"event\":\"completed\",\"item\":\"{}\",\"phase\":\"{}\"}}\n",
        args.item, args.phase
    );
    file.write_all(line.as_bytes())?;
    file.sync_data()
}
