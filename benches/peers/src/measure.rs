//! Interleaved rounds, medians and ratios.
//!
//! The disk of a machine drifts by a quarter, its processor by more. So contenders take turns, round by round, and what
//! is compared is what two of them did in the *same* round: the median of those ratios.

use std::time::{Duration, Instant};

/// Why a measurement could not be taken; it is printed and the run goes on.
pub type Failed = Box<dyn std::error::Error>;

/// One contender: a name, and what it does in a round, which says how fast that went.
pub struct Contender<'c> {
    pub name: &'static str,
    pub run: Box<dyn FnMut(usize) -> Result<f64, Failed> + 'c>,
}

impl<'c> Contender<'c> {
    pub fn new(name: &'static str, run: impl FnMut(usize) -> Result<f64, Failed> + 'c) -> Self {
        let run = Box::new(run);
        Self { name, run }
    }
}

/// What every contender did in every round.
pub struct Figures {
    rows: Vec<(&'static str, Vec<f64>)>,
}

/// Lets the contenders take turns. One that cannot run is dropped, with its reason.
pub fn interleave(rounds: usize, mut contenders: Vec<Contender<'_>>) -> Figures {
    let mut rows: Vec<(&'static str, Vec<f64>)> =
        contenders.iter().map(|it| (it.name, Vec::new())).collect();
    for round in 0..rounds {
        contenders.retain_mut(|contender| match (contender.run)(round) {
            Ok(figure) => {
                let row = rows.iter_mut().find(|(name, _)| *name == contender.name);
                row.expect("every contender has its row").1.push(figure);
                true
            }
            Err(error) => {
                println!("  skipped: {}: {error}", contender.name);
                rows.retain(|(name, _)| *name != contender.name);
                false
            }
        });
    }
    Figures { rows }
}

impl Figures {
    fn row(&self, name: &str) -> Option<&[f64]> {
        let row = self.rows.iter().find(|(other, _)| *other == name);
        row.map(|(_, figures)| figures.as_slice())
    }

    /// The median of what one contender did.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.row(name).and_then(median)
    }

    /// The median of `name` over `other`, round by round.
    pub fn ratio(&self, name: &str, other: &str) -> Option<f64> {
        let pairs = self.row(name)?.iter().zip(self.row(other)?);
        let ratios: Vec<f64> = pairs.map(|(one, other)| one / other).collect();
        median(&ratios)
    }

    /// Prints every contender with its median and its ratio to the first.
    pub fn print(&self, unit: &str) {
        let Some((first, _)) = self.rows.first() else {
            return;
        };
        for (name, figures) in &self.rows {
            let (Some(median), Some(ratio)) = (median(figures), self.ratio(name, first)) else {
                continue;
            };
            println!("  {name:<44}{:>12} {unit:<6}{ratio:>8.2} x", digits(median));
        }
    }

    /// Prints one ratio beside the bar that it has to reach.
    pub fn bar(&self, what: &str, name: &str, other: &str, bar: Bar) {
        if let Some(ratio) = self.ratio(name, other) {
            bar.print(what, ratio);
        }
    }
}

/// A bar that a ratio has to reach.
#[derive(Clone, Copy)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    pub fn print(self, what: &str, ratio: f64) {
        let (met, sign, bar) = match self {
            Self::AtLeast(bar) => (ratio >= bar, ">=", bar),
            Self::AtMost(bar) => (ratio <= bar, "<=", bar),
        };
        let verdict = if met { "reached" } else { "MISSED" };
        println!("  -> {what:<58}{ratio:>8.2} x   ({sign} {bar} {verdict})");
    }
}

/// The middle one; the mean of the two in the middle of an even number.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().checked_sub(1)? / 2;
    Some(f64::midpoint(sorted[middle], sorted[sorted.len() / 2]))
}

/// How long something takes.
pub fn timed<T>(work: impl FnOnce() -> Result<T, Failed>) -> Result<(T, Duration), Failed> {
    let begin = Instant::now();
    let done = work()?;
    Ok((done, begin.elapsed()))
}

/// A figure with as many digits as are worth reading.
pub fn digits(figure: f64) -> String {
    match figure {
        _ if figure >= 100.0 => format!("{figure:.0}"),
        _ if figure >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.3}"),
    }
}

/// Milliseconds.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints a heading.
pub fn heading(text: &str) {
    println!("\n{text}");
}
