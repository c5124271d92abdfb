//! Workers that die, hang and come back late, clocks that jump: nothing is ever given to two.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::pipeline::lease::{self, Evidence, Here, Liveness, Sign};
use crate::pipeline::time::{BootInstant, Timestamp};
use crate::pipeline::{Command, Decision, Report, ReportKind, decide};
use crate::pipeline::{ItemId, PhasePlan, PipelineState, Record, codec};
use crate::position::Seq;

const MINUTE: u64 = 60_000_000;

/// A machine with workers on it: what it knows, what it logged, what the workers hold.
struct Machine {
    state: PipelineState,
    log: Vec<Record>,
    now: Now,
    boots: u32,
    /// By pid: when it was started.
    processes: HashMap<u32, u64>,
    signs: HashMap<Seq, Sign>,
    /// By worker: what it thinks it holds.
    holds: Vec<Option<(ItemId, Phase, Seq)>>,
    completed: HashSet<(ItemId, Phase)>,
}

impl Evidence for Machine {
    fn owner(&self, owner: &Owner) -> Liveness {
        let here = Here {
            host: "h".into(),
            boot: self.now.boot.as_ref().map(|boot| boot.boot.clone()),
            pidns: Some("n".into()),
        };
        lease::liveness(owner, &here, |pid| Some(self.processes.get(&pid).copied()))
    }

    fn sign(&self, token: Seq) -> Option<&Sign> {
        self.signs.get(&token)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Claim {
        worker: usize,
        owned: bool,
        phase: bool,
    },
    Report {
        worker: usize,
        kind: u8,
        forgets: bool,
    },
    Beat {
        worker: usize,
    },
    Kill {
        worker: usize,
    },
    Hold {
        item: usize,
        on: bool,
    },
    Retry {
        item: usize,
        force: bool,
    },
    Pass {
        micros: u64,
        asleep: bool,
    },
    SetWall {
        micros: i64,
    },
    Reboot,
    Resume,
}

fn any_step() -> impl Strategy<Value = Step> {
    let worker = 0_usize..4;
    prop_oneof![
        6 => (worker.clone(), any::<bool>(), any::<bool>()).prop_map(|(worker, owned, phase)| Step::Claim { worker, owned, phase }),
        6 => (worker.clone(), 0_u8..5, any::<bool>()).prop_map(|(worker, kind, forgets)| Step::Report { worker, kind, forgets }),
        2 => worker.clone().prop_map(|worker| Step::Beat { worker }),
        1 => worker.prop_map(|worker| Step::Kill { worker }),
        1 => (0_usize..3, any::<bool>()).prop_map(|(item, on)| Step::Hold { item, on }),
        1 => (0_usize..3, any::<bool>()).prop_map(|(item, force)| Step::Retry { item, force }),
        4 => (0_u64..40 * MINUTE, any::<bool>()).prop_map(|(micros, asleep)| Step::Pass { micros, asleep }),
        1 => (0_i64..4_000_000_000_000_000).prop_map(|micros| Step::SetWall { micros }),
        1 => Just(Step::Reboot),
        2 => Just(Step::Resume),
    ]
}

fn name(index: usize) -> ItemId {
    ItemId::new(&format!("{index} N Example St")).unwrap()
}

impl Machine {
    fn new() -> Self {
        let now = Now {
            at: Timestamp::from_micros(1_795_398_015_123_456).unwrap(),
            given: false,
            boot: Some(BootInstant {
                boot: "boot0".into(),
                micros: MINUTE,
                asleep_us: 0,
            }),
        };
        let mut machine = Self {
            state: PipelineState::default(),
            log: Vec::new(),
            now,
            boots: 0,
            processes: HashMap::new(),
            signs: HashMap::new(),
            holds: vec![None; 4],
            completed: HashSet::new(),
        };
        let plan =
            r#"[{"phase":"a"},{"phase":"b","needs":["a"],"max_attempts":3,"backoff_seconds":60}]"#;
        let phases: Vec<PhasePlan> = serde_json::from_str(plan).unwrap();
        machine.record(Event::Planned { phases });
        for index in 0..3 {
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
            clock_given: false,
            event,
        };
        self.check(&record);
        self.state.apply(&record);
        self.log.push(record);
        seq
    }

    /// What must hold of a record before it is applied.
    fn check(&mut self, record: &Record) {
        let (Some(item), Some(phase)) = (record.event.item(), record.event.phase()) else {
            return;
        };
        let place = place_of(&self.state, &record.event).unwrap();
        let state = &self.state.items()[place.item].phases[place.phase];
        let key = (item.clone(), phase.clone());
        match &record.event {
            Event::Started { .. } => {
                assert!(matches!(state.status, Status::Pending | Status::Failed));
                assert!(!self.completed.contains(&key), "done twice");
            }
            Event::Completed { token, .. } => {
                assert_eq!(*token, state.token, "a superseded token was accepted");
                assert!(self.completed.insert(key), "completed twice");
            }
            Event::Failed { token, .. } | Event::Released { token, .. } => {
                assert_eq!(*token, state.token, "a superseded token was accepted");
            }
            Event::Retried { .. } => drop(self.completed.remove(&key)),
            Event::Reset {
                cause,
                elapsed_us,
                limit_us,
                ..
            } => {
                let lease = state.lease.as_deref().unwrap();
                let owner = lease.owner.as_ref().map(|owner| self.owner(owner));
                match owner {
                    Some(Liveness::Alive) | None => assert!(elapsed_us > limit_us),
                    Some(Liveness::Dead { .. }) => assert_eq!(cause.as_str(), "owner_dead"),
                    Some(_) => assert_eq!(cause.as_str(), "reboot"),
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Claim {
                worker,
                owned,
                phase,
            } => self.claim(worker, owned, phase),
            Step::Report {
                worker,
                kind,
                forgets,
            } => self.report(worker, kind, forgets),
            Step::Beat { worker } => self.beat(worker),
            Step::Kill { worker } => drop(self.processes.remove(&pid_of(worker))),
            Step::Hold { item, on: true } => self.submit(&Command::Hold {
                item: name(item),
                reason: None,
            }),
            Step::Hold { item, on: false } => self.submit(&Command::Unhold { item: name(item) }),
            Step::Retry { item, force } => {
                let phase = force.then(|| Phase::new("a").unwrap());
                self.submit(&Command::Retry {
                    item: name(item),
                    phase,
                    force,
                });
            }
            Step::Pass { micros, asleep } => self.pass(micros, asleep),
            Step::SetWall { micros } => self.now.at = Timestamp::from_micros(micros).unwrap(),
            Step::Reboot => {
                self.boots += 1;
                let boot = format!("boot{}", self.boots);
                self.now.boot = Some(BootInstant {
                    boot,
                    micros: 0,
                    asleep_us: 0,
                });
                self.processes.clear();
            }
            Step::Resume => self.resume(),
        }
    }

    fn claim(&mut self, worker: usize, by_pid: bool, phase: bool) {
        let (pid, start) = (pid_of(worker), self.now.boot.as_ref().unwrap().micros);
        let start = *self.processes.entry(pid).or_insert(start);
        let owner = by_pid.then(|| Owner {
            host: "h".into(),
            boot: self.now.boot.as_ref().unwrap().boot.clone(),
            pidns: "n".into(),
            pid,
            start,
        });
        let wanted = Claim {
            phase: phase.then(|| Phase::new("b").unwrap()),
            worker: Some(format!("w{worker}")),
            owner,
            limit: 1,
            except: Vec::new(),
        };
        let resets = lease::expired(&self.state, &self.now, None, self);
        let claimed = claim(&self.state, &wanted, &resets, &self.now);
        for reset in resets {
            self.record(reset);
        }
        // As `resume` would list it now, by looking at everything.
        let expected = ready::open_with_reasons(&self.state, &self.now)
            .find(|(place, reason)| *reason == Reason::Ready && (!phase || place.phase == 1));
        match claimed {
            Ok(started) => {
                let place = place_of(&self.state, &started[0]).unwrap();
                assert_eq!(Some(place), expected.map(|(place, _)| place));
                let (item, phase) = (
                    started[0].item().unwrap().clone(),
                    started[0].phase().unwrap().clone(),
                );
                let token = self.record(started[0].clone());
                self.holds[worker] = Some((item, phase, token));
            }
            Err(rejection) => {
                assert_eq!(expected, None);
                self.check_refusal(&rejection, phase);
            }
        }
    }

    fn check_refusal(&self, rejection: &Rejection, phase: bool) {
        let running = self
            .state
            .in_progress()
            .filter(|place| phase || place.phase < 2)
            .count();
        let of_time = |reason: &Reason| matches!(reason, Reason::Ready | Reason::BackingOff(_));
        let mut open = ready::open_with_reasons(&self.state, &self.now);
        let goes_on = running > 0 || open.any(|(_, reason)| of_time(&reason));
        assert_eq!(
            goes_on,
            matches!(rejection, Rejection::NothingReady { .. }),
            "{rejection}"
        );
    }

    fn report(&mut self, worker: usize, kind: u8, forgets: bool) {
        let held = if forgets {
            self.holds[worker].take()
        } else {
            self.holds[worker].clone()
        };
        let Some((item, phase, token)) = held else {
            return;
        };
        let kind = match kind {
            0..=2 => ReportKind::Complete,
            3 => ReportKind::Fail {
                error: "no".into(),
                permanent: false,
            },
            _ => ReportKind::Release,
        };
        self.submit(&Command::Report(Report::new(
            item,
            phase,
            Some(token),
            kind,
        )));
    }

    fn beat(&mut self, worker: usize) {
        if let Some((.., token)) = self.holds[worker] {
            let sign = Sign {
                at: self.now.at,
                wall_only: false,
                boot: self.now.boot.clone(),
                progress: None,
            };
            self.signs.insert(token, sign);
        }
    }

    fn pass(&mut self, micros: u64, asleep: bool) {
        self.now.at = self.now.at.plus_micros(micros);
        let boot = self.now.boot.as_mut().unwrap();
        boot.micros += micros;
        boot.asleep_us += if asleep { micros } else { 0 };
    }

    fn resume(&mut self) {
        for reset in lease::expired(&self.state, &self.now, None, self) {
            self.record(reset);
        }
        assert_eq!(lease::expired(&self.state, &self.now, None, self), []);
    }

    fn submit(&mut self, command: &Command) {
        match decide(&self.state, command, &self.now) {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_given_to_two_and_nothing_stays_stuck(steps in prop::collection::vec(any_step(), 0..60)) {
        let mut machine = Machine::new();
        for step in &steps {
            machine.step(step);
        }
        // Nobody says anything for longer than the limit, on any clock: everything is handed back.
        machine.pass(31 * MINUTE, false);
        machine.now.at = Timestamp::from_micros(4_100_000_000_000_000).unwrap();
        machine.resume();
        prop_assert_eq!(machine.state.in_progress().count(), 0);
        // Written, read and applied again, without anybody asking in between what is ready.
        let mut again = PipelineState::default();
        for record in &machine.log {
            let payload = codec::encode(&record.event, record.at, record.clock_given);
            again.apply(&codec::decode(record.seq, &payload).unwrap());
        }
        prop_assert_eq!(&again, &machine.state);
        let ready = |state: &PipelineState| ready::ready(state, &machine.now).collect::<Vec<_>>();
        prop_assert_eq!(ready(&again), ready(&machine.state));
    }
}

#[test]
fn the_refusal_says_whether_waiting_helps() {
    let mut machine = Machine::new();
    let refusal = |machine: &Machine, phase: Option<&str>| {
        let phase = phase.map(|phase| Phase::new(phase).unwrap());
        let wanted = Claim {
            phase,
            ..Claim::default()
        };
        claim(&machine.state, &wanted, &[], &machine.now)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refusal(&machine, Some("b")),
        "nothing can be claimed now: what it needs is to be done first"
    );
    assert_eq!(refusal(&machine, Some("c")), "no phase c");
    for worker in 0..3 {
        machine.claim(worker, false, false);
    }
    assert_eq!(
        refusal(&machine, None),
        "nothing can be claimed now: 3 in progress"
    );
    machine.report(0, 3, false);
    machine.submit(&Command::Hold {
        item: name(1),
        reason: None,
    });
    machine.report(1, 4, false);
    machine.report(2, 0, false);
    machine.claim(2, false, false);
    machine.report(2, 3, false);
    assert_eq!(
        refusal(&machine, None),
        "nothing can be claimed now: the next may be tried again at 2026-11-23T01:41:18.697568Z"
    );
    assert_eq!(
        refusal(&machine, Some("a")),
        "nothing is left to claim: 1 failed, 1 held, 0 waiting"
    );
}

#[test]
fn several_at_once_are_the_first_several() {
    let mut machine = Machine::new();
    machine.claim(0, false, false);
    machine.pass(31 * MINUTE, false);
    let resets = lease::expired(&machine.state, &machine.now, None, &machine);
    let wanted = Claim {
        limit: 2,
        ..Claim::default()
    };
    let started = claim(&machine.state, &wanted, &resets, &machine.now).unwrap();
    let items: Vec<&ItemId> = started.iter().filter_map(Event::item).collect();
    assert_eq!(items, [&name(0), &name(1)]);
}
