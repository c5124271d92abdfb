//! What a layer is given: how far to go, which seed, and perhaps a mistake to be found.

use std::path::Path;
use std::sync::Arc;

use phaselog::pipeline::Command;
use phaselog::pipeline::extraction::ExtractionStatus;
use phaselog::testing::oracles::{self, Claim};
use phaselog::testing::{Explored, Explorer, Kills, Proxy, Seen, SimDisk};
use phaselog::{Ports, View};

use crate::table::Row;
use crate::workload::{DIR, Step, item, options, price, work};

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// A part of each layer.
    Short,
    /// As far as the targets say.
    Long,
}

/// Puts a mistake into the doors of an actor.
pub(crate) type Spoil = Arc<dyn Fn(Ports) -> Ports + Send + Sync>;

/// What a layer runs on.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) effort: Effort,
    pub(crate) seed: u64,
    /// Ends at the first violation.
    pub(crate) first_only: bool,
    spoil: Option<Spoil>,
}

impl Bench {
    /// The seed of a run that names none.
    pub(crate) const SEED: u64 = 0x5eed;

    pub(crate) fn new(effort: Effort, seed: u64) -> Self {
        Self {
            effort,
            seed,
            first_only: false,
            spoil: None,
        }
    }

    /// The same, with a mistake in it; the first time it shows is enough.
    #[cfg(feature = "seeded-faults")]
    pub(crate) fn with_mistake(&self, spoil: Option<Spoil>) -> Self {
        Self {
            first_only: true,
            spoil,
            ..self.clone()
        }
    }

    /// The command that runs a layer again as it is run here.
    pub(crate) fn again(&self, layer: &str) -> String {
        let (release, long) = if self.is_long() {
            (" --release", " --long")
        } else {
            ("", "")
        };
        let seed = self.seed;
        format!("cargo test --locked{release} --test prove -- {layer} --seed {seed}{long}")
    }

    pub(crate) fn is_long(&self) -> bool {
        self.effort == Effort::Long
    }

    /// One of two numbers.
    pub(crate) fn pick<T>(&self, short: T, long: T) -> T {
        if self.is_long() { long } else { short }
    }

    /// The doors of an actor, with the mistake in them if there is one.
    pub(crate) fn ports(&self, ports: Ports) -> Ports {
        match &self.spoil {
            Some(spoil) => spoil(ports),
            None => ports,
        }
    }

    /// Runs the steps as an actor with these doors.
    pub(crate) fn work(
        &self,
        ports: Ports,
        claims: &phaselog::testing::Claims<Claim>,
        steps: &[Step],
    ) {
        work(&self.ports(ports), claims, steps);
    }

    /// A search in which each stage does these steps.
    pub(crate) fn explorer<'b>(
        &'b self,
        base: &SimDisk,
        seen: &Seen,
        stages: &[(&str, Kills, Vec<Step>)],
    ) -> Explorer<'b, Claim> {
        let mut explorer = Explorer::new(base)
            .seen(seen)
            .max_violations(if self.first_only { 1 } else { 3 });
        for (actor, kills, steps) in stages {
            let steps = steps.clone();
            explorer = explorer.stage(actor, *kills, move |ports, claims| {
                self.work(ports, claims, &steps);
            });
        }
        explorer
    }

    /// A row out of what was explored.
    pub(crate) fn row(
        &self,
        layer: &'static str,
        unit: &'static str,
        target: u64,
        found: &Explored,
    ) -> Row {
        Row {
            layer,
            count: found.distinct,
            unit,
            target,
            more: format!("{} runs, {} power cuts", found.runs, found.states),
            violations: found.violations.iter().map(|it| format!("{it}")).collect(),
            long: self.is_long(),
        }
    }
}

/// All oracles; where nothing was promised there may be no store at all.
pub(crate) fn check(disk: &SimDisk, claims: &[Claim]) -> Result<(), String> {
    let dir = Path::new(DIR);
    if claims.is_empty() && disk.peek(format!("{DIR}/wal/{FIRST}")).is_none() {
        let opened = View::open(&disk.ports_for("first look"), dir, &options());
        if matches!(opened, Err(phaselog::Error::NoStore { .. })) {
            return Ok(());
        }
    }
    oracles::after_power_cut(disk, dir, &options(), claims)
}

/// Another price: with data there are three snapshots.
pub(crate) fn enrich(name: &str, list_price: u32) -> Step {
    Step::Do(Command::Enrich {
        item: item(name),
        patch: price(list_price),
    })
}

/// Images that were extracted.
pub(crate) fn extract(name: &str) -> Step {
    Step::Do(Command::Extract {
        item: item(name),
        status: ExtractionStatus::Completed,
    })
}

/// The first segment.
pub(crate) const FIRST: &str = "00000000000000000001.wal";

/// Doors with a hook before their disk.
pub(crate) fn hooked(ports: &Ports, hook: impl phaselog::testing::Hook + 'static) -> Ports {
    Proxy::before(ports, hook)
}
