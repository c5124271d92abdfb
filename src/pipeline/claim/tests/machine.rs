//! A machine with workers on it that die, hang, forget and come back late, with clocks that jump and a plan that changes.

use std::collections::HashMap;

use super::ledger::{Ledger, Moment, Stands};
use super::steps::{Owned, Step, report_of};
use super::*;
use crate::pipeline::Plan;
use crate::pipeline::lease::{Evidence, Here, Liveness, Sign};
use crate::pipeline::time::BootInstant;
use crate::snapshot::work_items::{Decoded, decode, encode};
use crate::snapshot::{LogPlace, TimeStyle};

/// What it knows, what it logged, what its workers hold.
pub(super) struct Machine {
    pub(super) state: PipelineState,
    log: Vec<Record>,
    pub(super) now: Now,
    truth: Moment,
    /// By pid: when it was started. No two start at one time.
    processes: HashMap<u32, u64>,
    born: u64,
    signs: HashMap<Seq, Sign>,
    /// By worker: what it thinks it holds.
    holds: Vec<Vec<(ItemId, Phase, Seq)>>,
    ledger: Ledger,
}

impl Evidence for Machine {
    fn owner(&self, owner: &Owner) -> Liveness {
        let here = Here {
            host: HOST.into(),
            boot: self.now.boot.as_ref().map(|boot| boot.boot.clone()),
            pidns: Some("n".into()),
        };
        lease::liveness(owner, &here, |pid| Some(self.processes.get(&pid).copied()))
    }

    fn sign(&self, token: Seq) -> Option<&Sign> {
        self.signs.get(&token)
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        let wall = 1_795_398_015_123_456;
        let now = Now {
            at: Timestamp::from_micros(wall).unwrap(),
            given: false,
            boot: Some(BootInstant {
                boot: boot_name(0),
                micros: MINUTE,
                asleep_us: 0,
            }),
        };
        let truth = Moment {
            lived: 0,
            awake: 0,
            boots: 0,
            wall,
            given: false,
        };
        let mut machine = Self {
            state: PipelineState::default(),
            log: Vec::new(),
            now,
            truth,
            processes: HashMap::new(),
            born: 0,
            signs: HashMap::new(),
            holds: vec![Vec::new(); WORKERS],
            ledger: Ledger::default(),
        };
        let plan =
            r#"[{"phase":"a"},{"phase":"b","needs":["a"],"max_attempts":3,"backoff_seconds":60}]"#;
        let phases: Vec<PhasePlan> = serde_json::from_str(plan).unwrap();
        machine.record(Event::Planned { phases });
        for index in 0..ITEMS {
            machine.record(Event::Added {
                item: name(index),
                id: None,
                imported: None,
            });
        }
        machine
    }

    fn record(&mut self, event: Event) -> Seq {
        let seq = self.state.last_seq.next();
        let record = Record {
            seq,
            at: self.now.at,
            clock_given: self.now.given,
            event,
        };
        if let Event::Reset { cause, .. } = &record.event {
            let (item, phase) = (record.event.item().unwrap(), record.event.phase().unwrap());
            let due = self.due(item, phase);
            assert_eq!(
                due,
                Some(*cause),
                "work was taken from its owner: {record:?}"
            );
        }
        self.ledger.take(&record, &self.moment());
        self.state.apply(&record);
        self.log.push(record);
        seq
    }

    fn moment(&self) -> Moment {
        Moment {
            wall: self.now.at.micros(),
            given: self.now.given,
            ..self.truth.clone()
        }
    }

    /// The rule by which a phase in progress is to be handed back now.
    fn due(&self, item: &ItemId, phase: &Phase) -> Option<ResetCause> {
        let limit = self.state.plan.get(phase.as_str()).unwrap().timeout_minutes;
        let limit_us = u64::from(limit.unwrap_or(30)) * MINUTE;
        let kept = self.ledger.of(item, phase);
        self.ledger
            .due(&kept, limit_us, &self.moment(), &self.processes)
    }

    pub(super) fn step(&mut self, step: &Step) {
        match *step {
            Step::Claim {
                worker,
                owned,
                phase,
                limit,
            } => self.claim(worker, owned, phase, limit),
            Step::Report {
                worker,
                kind,
                op,
                with_token,
                forgets,
            } => self.report(worker, kind, op, with_token, forgets),
            Step::Foreign {
                item,
                phase,
                kind,
                op,
            } => {
                if let Some(phase) = self.phase(phase) {
                    self.submit(&report_of(name(item), phase, None, kind, op));
                }
            }
            Step::Beat { worker, recorded } => self.beat(worker, recorded),
            Step::Hold { item, on } => {
                let item = name(item);
                self.submit(&if on {
                    let reason = None;
                    Command::Hold { item, reason }
                } else {
                    Command::Unhold { item }
                });
            }
            Step::Retry { item, phase, force } => {
                let (item, phase) = (name(item), phase.and_then(|phase| self.phase(phase)));
                self.submit(&Command::Retry { item, phase, force });
            }
            Step::RetryFailed { phase, cascade } => {
                let phase = phase.and_then(|phase| self.phase(phase));
                self.submit(&Command::RetryFailed { phase, cascade });
            }
            Step::Resume => self.resume(),
            Step::Given(at, ref act) => {
                let before = self.now.clone();
                (self.now.at, self.now.given) = (Timestamp::from_micros(at).unwrap(), true);
                self.step(act);
                self.now = before;
            }
            Step::Replan {
                kind,
                phase,
                name,
                minutes,
            } => self.replan(kind, phase, name, minutes),
            Step::Kill { worker } => drop(self.processes.remove(&pid_of(worker))),
            Step::Pass { micros, asleep } => self.pass(micros, asleep),
            Step::SetWall(micros) => self.now.at = Timestamp::from_micros(micros).unwrap(),
            Step::Reboot => {
                self.truth.boots += 1;
                self.now.boot = Some(BootInstant {
                    boot: boot_name(self.truth.boots),
                    micros: 0,
                    asleep_us: 0,
                });
                self.processes.clear();
            }
            Step::Reopen => self.reopen(),
        }
        self.check_tokens();
    }

    /// Of all tokens that were ever given for an item, and two that never were, one at most may report on each phase.
    fn check_tokens(&self) {
        for index in 0..ITEMS {
            let item = name(index);
            let own = self.ledger.tokens.iter().filter(|(of, _)| *of == item);
            let tokens: Vec<Seq> = own
                .map(|(_, token)| *token)
                .chain([Seq::new(1), self.state.last_seq.next()])
                .collect();
            for planned in self.state.plan.phases() {
                let kept = self.ledger.of(&item, &planned.phase);
                for &token in &tokens {
                    let (item, phase) = (item.clone(), planned.phase.clone());
                    let report = Report::new(item, phase, Some(token), ReportKind::Release);
                    let answer = decide(&self.state, &Command::Report(report), &self.now);
                    let refused = matches!(answer, Err(Rejection::StaleToken { .. }));
                    assert_eq!(refused, kept.token != Some(token), "{token}: {kept:?}");
                }
            }
        }
    }

    fn phase(&self, index: usize) -> Option<Phase> {
        let planned = self.state.plan.phases().get(index);
        planned.map(|planned| planned.phase.clone())
    }

    pub(super) fn claim(&mut self, worker: usize, whose: Owned, phase: usize, limit: usize) {
        let pid = pid_of(worker);
        self.born += 1;
        let start = *self.processes.entry(pid).or_insert(self.born);
        let host = if whose == Owned::Here {
            HOST
        } else {
            "elsewhere"
        };
        let owner = (whose != Owned::Nobody).then(|| Owner {
            host: host.into(),
            boot: boot_name(self.truth.boots),
            pidns: "n".into(),
            pid,
            start,
        });
        let wanted = Claim {
            phase: self.phase(phase),
            worker: Some(format!("w{worker}")),
            owner,
            limit,
            ..Claim::default()
        };
        let resets = lease::expired(&self.state, &self.now, None, self);
        let claimed = claim(&self.state, &wanted, &resets, &self.now);
        for reset in resets {
            self.record(reset);
        }
        // As `resume` would list it now, by looking at everything.
        let index = wanted.phase.as_ref().map(|_| phase);
        let expected: Vec<Place> = ready::open_with_reasons(&self.state, &self.now)
            .filter(|(_, reason)| *reason == Reason::Ready)
            .map(|(place, _)| place)
            .filter(|place| index.is_none_or(|index| place.phase == index))
            .take(limit)
            .collect();
        match claimed {
            Ok(started) => {
                let place = |event: &Event| place_of(&self.state, event).unwrap();
                let places: Vec<Place> = started.iter().map(place).collect();
                assert_eq!(places, expected);
                for event in started {
                    let item = event.item().unwrap().clone();
                    let phase = event.phase().unwrap().clone();
                    let token = self.record(event);
                    self.holds[worker].push((item, phase, token));
                }
            }
            Err(rejection) => {
                assert_eq!(expected, []);
                self.check_refusal(&rejection, index);
            }
        }
    }

    /// Waiting helps if something that matters runs, or waits for nothing but time.
    fn check_refusal(&self, rejection: &Rejection, phase: Option<usize>) {
        let plan = self.state.plan.phases();
        let mut matter: HashSet<usize> =
            phase.map_or((0..plan.len()).collect(), |phase| [phase].into());
        for _ in plan {
            let needs = matter.iter().flat_map(|phase| &plan[*phase].needs);
            let needs = needs.map(|need| self.state.plan.index_of(need.as_str()).unwrap());
            matter.extend(needs.collect::<Vec<_>>());
        }
        let runs = self
            .state
            .in_progress()
            .any(|place| matter.contains(&place.phase));
        let of_time = |reason: &Reason| matches!(reason, Reason::Ready | Reason::BackingOff(_));
        let mut open = ready::open_with_reasons(&self.state, &self.now);
        let goes_on = open.any(|(place, reason)| matter.contains(&place.phase) && of_time(&reason));
        assert_eq!(
            runs || goes_on,
            matches!(rejection, Rejection::NothingReady { .. }),
            "{rejection}"
        );
    }

    pub(super) fn report(
        &mut self,
        worker: usize,
        kind: u8,
        op: Option<u8>,
        with_token: bool,
        forgets: bool,
    ) {
        let holds = &mut self.holds[worker];
        let held = if forgets {
            holds.pop()
        } else {
            holds.last().cloned()
        };
        if let Some((item, phase, token)) = held {
            let token = with_token.then_some(token);
            self.submit(&report_of(item, phase, token, kind, op));
        }
    }

    /// A sign of life; whether its token still holds only a record asks.
    fn beat(&mut self, worker: usize, recorded: bool) {
        let Some((item, phase, token)) = self.holds[worker].last().cloned() else {
            return;
        };
        let kept = self.ledger.of(&item, &phase);
        if !recorded {
            let sign = Sign {
                at: self.now.at,
                wall_only: self.now.given,
                boot: self.now.boot.clone(),
                progress: None,
            };
            self.signs.insert(token, sign);
            self.ledger.beats.insert(token, self.moment());
        } else if kept.stands == Stands::Running && kept.token == Some(token) {
            self.record(Event::Renewed {
                item,
                phase,
                token: Some(token),
                boot: self.now.boot.clone(),
                progress: None,
            });
        }
    }

    pub(super) fn pass(&mut self, micros: u64, asleep: bool) {
        self.now.at = self.now.at.plus_micros(micros);
        let boot = self.now.boot.as_mut().unwrap();
        boot.micros += micros;
        boot.asleep_us += if asleep { micros } else { 0 };
        self.truth.lived += micros;
        self.truth.awake += if asleep { 0 } else { micros };
    }

    pub(super) fn resume(&mut self) {
        for reset in lease::expired(&self.state, &self.now, None, self) {
            self.record(reset);
        }
        for ((item, phase), kept) in self.ledger.running() {
            assert_eq!(
                self.due(item, phase),
                None,
                "stuck and not handed back: {phase} of {item}, {kept:?}"
            );
        }
        let running = self.ledger.running().count();
        assert_eq!(self.state.in_progress().count(), running);
    }

    /// Puts another plan in force, if what comes out is one.
    fn replan(&mut self, kind: u8, phase: usize, name: usize, minutes: u32) {
        let phases = plans::changed(self.state.plan.phases(), kind, phase, name, minutes);
        if Plan::new(phases.clone()).is_ok() {
            self.submit(&Command::SetPlan { phases });
        }
    }

    /// Written, read and applied again, without anybody asking in between what is ready, and without a snapshot.
    pub(super) fn check_replay(&self) {
        let mut again = PipelineState::default();
        for record in &self.log {
            let payload = codec::encode(&record.event, record.at, record.clock_given);
            again.apply(&codec::decode(record.seq, &payload).unwrap());
        }
        assert_eq!(again, self.state);
        let ready = |state: &PipelineState| ready::ready(state, &self.now).collect::<Vec<_>>();
        assert_eq!(ready(&again), ready(&self.state));
    }

    /// What a snapshot keeps is all there is.
    fn reopen(&mut self) {
        let place = LogPlace {
            id: "0".repeat(32),
            seq: self.state.last_seq,
            crc32: 0,
            sha256: "0".repeat(64),
        };
        let mut bytes = Vec::new();
        encode(&self.state, &place, &[], TimeStyle::Utc, &mut bytes).unwrap();
        let Decoded::Valid(inside) = decode(&bytes) else {
            panic!("not a snapshot");
        };
        assert_eq!(inside.state, self.state);
        self.state = inside.state;
    }

    pub(super) fn submit(&mut self, command: &Command) {
        let answer = decide(&self.state, command, &self.now);
        if let Command::Report(report) = command {
            self.ledger.check_answer(report, &answer);
        }
        match answer {
            Ok(Decision::Record(events)) => {
                for event in events {
                    self.record(event);
                }
            }
            Ok(Decision::Unchanged(_)) => {}
            Err(rejection) => {
                if let Some(event) = rejection.to_be_recorded(&self.state) {
                    self.record(event);
                }
            }
        }
    }
}

fn pid_of(worker: usize) -> u32 {
    100 + u32::try_from(worker).unwrap()
}
