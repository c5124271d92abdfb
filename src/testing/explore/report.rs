//! What a search found, and how to have it again.

use std::fmt;
use std::str::FromStr;

use crate::testing::sim_disk::{Kill, Survivors};

/// What a search went through, and what it found.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Runs of a stage, or of all at once.
    pub runs: u64,
    /// Distinct moments at which the power was cut.
    pub instants: u64,
    /// Outcomes of those power cuts.
    pub states: u64,
    /// Distinct pairs of what survived and what had been claimed; so many were checked.
    pub distinct: u64,
    /// What was wrong.
    pub violations: Vec<Violation>,
}

impl Explored {
    /// Adds another search to this one.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.instants += other.instants;
        self.states += other.states;
        self.distinct += other.distinct;
        self.violations.extend(other.violations);
    }

    /// Does nothing if no violation was found.
    ///
    /// # Panics
    /// If one was, with the first one and how to have it again.
    #[track_caller]
    pub fn assert_clean(&self) {
        if let Some(first) = self.violations.first() {
            panic!("{self}; the first:\n{first}");
        }
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            instants,
            states,
            distinct,
            violations,
        } = self;
        let found = violations.len();
        write!(
            f,
            "{runs} runs, {instants} instants, {states} states, {distinct} distinct, {found} violations"
        )
    }
}

/// A crash after which the check found something wrong.
#[derive(Clone, Debug)]
pub struct Violation {
    /// How to have it again: [`Explorer::replay`](super::Explorer::replay).
    pub replay: Replay,
    /// What was wrong.
    pub message: String,
    /// What was pending when the power went, one for each place in [`Survivors::kept`].
    pub pending: Vec<String>,
    /// The calls before the power went.
    pub before: String,
    /// The calls of the check.
    pub after: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            replay,
            message,
            pending,
            before,
            after,
        } = self;
        writeln!(
            f,
            "{message}\nreplay: {replay}\nbefore:\n{before}\npower cut:"
        )?;
        for (at, what) in pending.iter().enumerate() {
            let kept = replay.survivors.kept.get(at).copied().unwrap_or(false);
            writeln!(f, "  {} {what}", if kept { "kept" } else { "lost" })?;
        }
        write!(f, "after:\n{after}")
    }
}

/// One crash as a line of text: `kills=3,-,5:17 schedule=0,1@7 cut=110+17z`. It reads back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// For each stage that ran, where it was killed.
    pub kills: Vec<Option<Kill>>,
    /// Interleaved: whom the schedule named, and the number of the instant at which the power went.
    pub schedule: Option<(Vec<usize>, usize)>,
    /// What survived.
    pub survivors: Survivors,
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills = self.kills.iter().map(|kill| match kill {
            None => "-".to_owned(),
            Some(Kill { at, bytes: 0 }) => at.to_string(),
            Some(Kill { at, bytes }) => format!("{at}:{bytes}"),
        });
        write!(f, "kills={}", kills.collect::<Vec<_>>().join(","))?;
        if let Some((actors, instant)) = &self.schedule {
            let actors: Vec<String> = actors.iter().map(usize::to_string).collect();
            write!(f, " schedule={}@{instant}", actors.join(","))?;
        }
        write!(f, " cut={}", self.survivors)
    }
}

impl FromStr for Replay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read_replay(text).ok_or_else(|| format!("not a replay: {text}"))
    }
}

fn read_replay(text: &str) -> Option<Replay> {
    let list = |text: &str| -> Vec<String> {
        text.split(',')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let mut parts = text.split_whitespace();
    let kills = list(parts.next()?.strip_prefix("kills=")?);
    let kills = kills.iter().map(|kill| match kill.split_once(':') {
        _ if kill == "-" => Some(None),
        Some((at, bytes)) => Some(Some(Kill {
            at: at.parse().ok()?,
            bytes: bytes.parse().ok()?,
        })),
        None => Some(Some(Kill {
            at: kill.parse().ok()?,
            bytes: 0,
        })),
    });
    let kills: Vec<Option<Kill>> = kills.collect::<Option<_>>()?;
    let mut next = parts.next()?;
    let mut schedule = None;
    if let Some(part) = next.strip_prefix("schedule=") {
        let (actors, instant) = part.split_once('@')?;
        let actors = list(actors)
            .iter()
            .map(|actor| actor.parse().ok())
            .collect::<Option<_>>()?;
        schedule = Some((actors, instant.parse().ok()?));
        next = parts.next()?;
    }
    let survivors = next.strip_prefix("cut=")?.parse().ok()?;
    parts.next().is_none().then_some(Replay {
        kills,
        schedule,
        survivors,
    })
}
