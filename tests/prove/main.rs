//! The proof: every layer that needs no real process, its counts in one table.
//!
//! ```text
//! cargo test --locked --test prove                          a part of each layer, as in CI
//! cargo test --locked --release --test prove -- --long      all of it
//! cargo test --locked --test prove -- errors syncs          only these layers
//! cargo test --locked --test prove -- properties --seed 7   a random layer with that seed
//! cargo test --locked --features seeded-faults --test prove -- faults     which layer catches which mistake
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it is a test, and says what it went through"
)]

#[path = "../it/workload.rs"]
mod workload;
mod bench;
mod table;
mod sweep;
mod nested;
mod errors;
mod syncs;
mod actors;
mod moments;
mod hurt;
mod properties;
#[cfg(feature = "seeded-faults")]
mod faults;

use std::process::ExitCode;

use bench::{Bench, Effort};
use table::Row;

/// A layer: what it is called, and what runs it.
type Layer = (&'static str, fn(&Bench) -> Vec<Row>);

const LAYERS: [Layer; 8] = [
    ("sweep", sweep::run),
    ("nested", nested::run),
    ("errors", errors::run),
    ("syncs", syncs::run),
    ("actors", actors::run),
    ("moments", moments::run),
    ("hurt", hurt::run),
    ("properties", properties::run),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    if flag("--list") {
        return ExitCode::SUCCESS;
    }
    let after = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.parse().ok()
    };
    let seed: Option<u64> = after("--seed");
    let wanted: Vec<&String> = args
        .iter()
        .filter(|arg| !arg.starts_with("--") && arg.parse::<u64>().is_err())
        .collect();
    let effort = if flag("--long") {
        Effort::Long
    } else {
        Effort::Short
    };
    let bench = Bench::new(effort, seed.unwrap_or(Bench::SEED));
    #[cfg(feature = "seeded-faults")]
    if wanted.iter().any(|name| *name == "faults") {
        let only: Vec<&String> = wanted
            .into_iter()
            .filter(|word| *word != "faults")
            .collect();
        return faults::run(&bench, &only);
    }
    // Words that cargo hands to every test binary, to choose among the tests of another.
    let mine = |name: &str| wanted.is_empty() || wanted.iter().any(|word| *word == name);
    let mut rows = Vec::new();
    for (name, run) in LAYERS {
        if mine(name) {
            let again = bench.again(name);
            rows.extend(run(&bench).into_iter().map(|row| (row, again.clone())));
        }
    }
    if rows.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{}", table::render(&rows, effort));
    if rows.iter().all(|(row, _)| row.holds()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
