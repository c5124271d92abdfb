//! A part of a state says and decides what the whole does, whatever happened and wherever its base stands.

use std::sync::Arc;

use proptest::prelude::*;

use crate::pipeline::base::{self, Base};
use crate::pipeline::claim::{self, Claim};
use crate::pipeline::lease::{self, RecordsOnly};
use crate::pipeline::op_ids::OpIds;
use crate::pipeline::wide::{self, Knot};
use crate::pipeline::{
    Command, Decision, Event, Facts, Item, ItemId, NewItem, Now, Phase, PhasePlan, PipelineState,
    Plan, Record, Report, ReportKind, Timestamp, decide,
};
use crate::position::Seq;

/// A base in memory, made of a whole state.
struct Kept {
    state: PipelineState,
    trees: Vec<Vec<Vec<Knot>>>,
}

impl Kept {
    fn of(state: &PipelineState) -> Arc<dyn Base> {
        let items: Vec<Item> = (0..state.item_count())
            .map(|index| state.item(index).unwrap().into_owned())
            .collect();
        let phases = state.plan.phases().len();
        let tree = |phase: usize| {
            let leaf = |item: &Item| base::leaf(&state.plan, item, phase);
            wide::build(items.iter().map(leaf).collect(), items.len() + 9)
        };
        let trees = (0..=phases).map(tree).collect();
        let mut whole = PipelineState::from_parts(state.plan.clone(), items.clone());
        whole.op_ids = state.operations().clone();
        Arc::new(Self {
            state: whole,
            trees,
        })
    }
}

impl Base for Kept {
    fn count(&self) -> usize {
        self.state.item_count()
    }
    fn find(&self, name: &str) -> Option<usize> {
        self.state.find(name)
    }
    fn find_id(&self, id: &str) -> Vec<usize> {
        self.state.find_id(id)
    }
    fn item(&self, index: usize) -> Option<Item> {
        self.state.item(index).map(std::borrow::Cow::into_owned)
    }
    fn levels(&self) -> usize {
        self.trees[0].len()
    }
    fn knot(&self, tree: usize, level: usize, at: usize) -> Option<Knot> {
        self.trees.get(tree)?.get(level)?.get(at).copied()
    }
    fn operations(&self) -> OpIds {
        self.state.op_ids.clone()
    }
    fn is_sound(&self) -> bool {
        true
    }
}

fn plan() -> Plan {
    let phase = |name: &str| PhasePlan::named(Phase::new(name).unwrap());
    let mut phases = vec![phase("a"), phase("b"), phase("c")];
    phases[1].needs = vec![Phase::new("a").unwrap()];
    phases[0].max_attempts = Some(3);
    phases[0].backoff_seconds = Some(60);
    Plan::new(phases).unwrap()
}

fn name(number: usize) -> ItemId {
    ItemId::new(&format!("{number} N Example St")).unwrap()
}

fn now(minute: i64) -> Now {
    Now {
        at: Timestamp::from_micros(minute * 60_000_000).unwrap(),
        given: false,
        boot: None,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Do(Command),
    Claim(Option<usize>, usize),
    Resume,
    Rebase,
}

fn step() -> impl Strategy<Value = Step> {
    let phase =
        prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(|it| Phase::new(it).unwrap());
    let target = (0_usize..8, phase.clone());
    let kind = prop_oneof![
        Just(ReportKind::Complete),
        any::<bool>().prop_map(|permanent| ReportKind::Fail {
            error: "x".into(),
            permanent
        }),
        Just(ReportKind::Skip { reason: None }),
        Just(ReportKind::Release),
    ];
    let op = prop::option::of(prop::sample::select(vec!["1", "2", "3"]).prop_map(str::to_owned));
    let token = prop::option::of((1_u64..60).prop_map(Seq::new));
    let command = prop_oneof![
        (
            0_usize..8,
            prop::option::of(prop::sample::select(vec!["aa", "BB"]))
        )
            .prop_map(|(number, id)| {
                let item = NewItem {
                    name: name(number),
                    id: id.map(str::to_owned),
                };
                Command::Add { items: vec![item] }
            }),
        target.clone().prop_map(|(number, phase)| Command::Start {
            item: name(number),
            phase,
            worker: Some("w".into()),
            owner: None,
        }),
        (target.clone(), token, kind, op).prop_map(|((number, phase), token, kind, op)| {
            Command::Report(Report {
                op,
                ..Report::new(name(number), phase, token, kind)
            })
        }),
        (target, any::<bool>()).prop_map(|((number, phase), force)| Command::Retry {
            item: name(number),
            phase: Some(phase),
            force,
        }),
        (0_usize..8).prop_map(|number| Command::Hold {
            item: name(number),
            reason: None
        }),
        (0_usize..8).prop_map(|number| Command::Unhold { item: name(number) }),
        prop::sample::select(vec!["id:AA", "id:bb", "index:1", "nobody"]).prop_map(|text| {
            Command::Unhold {
                item: ItemId::new(text).unwrap(),
            }
        }),
        Just(Command::RetryFailed {
            phase: None,
            cascade: true
        }),
    ];
    prop_oneof![
        8 => command.prop_map(Step::Do),
        3 => (prop::option::of(0_usize..3), 1_usize..4).prop_map(|(phase, limit)| Step::Claim(phase, limit)),
        1 => Just(Step::Resume),
        2 => Just(Step::Rebase),
    ]
}

/// What a step comes to.
fn events(facts: &dyn Facts, step: &Step, now: &Now) -> Result<Vec<Event>, String> {
    match step {
        Step::Rebase => Ok(Vec::new()),
        Step::Resume => Ok(lease::expired(facts, now, None, &RecordsOnly)),
        Step::Claim(phase, limit) => {
            let phase = phase.map(|index| plan().phases()[index].phase.clone());
            let wanted = Claim {
                phase,
                limit: *limit,
                ..Claim::default()
            };
            claim::claim(facts, &wanted, &[], now).map_err(|why| format!("{why:?}"))
        }
        Step::Do(command) => match decide(facts, command, now) {
            Ok(Decision::Record(events)) => Ok(events),
            Ok(other) => Err(format!("{other:?}")),
            Err(why) => Err(format!("{why:?}")),
        },
    }
}

proptest! {
    #[test]
    fn a_part_is_as_good_as_the_whole(
        steps in prop::collection::vec((step(), 0_i64..9), 0..50),
        unloaded in any::<bool>(),
    ) {
        let mut whole = PipelineState::from_parts(plan(), Vec::new());
        let mut part = PipelineState::over(Kept::of(&whole), plan());
        let (mut minute, mut seq) = (100, Seq::FIRST);
        for (step, pause) in steps {
            minute += pause;
            let now = now(minute);
            let decided = events(&whole, &step, &now);
            prop_assert_eq!(&decided, &events(&part, &step, &now), "{:?}", step);
            let decided = decided.unwrap_or_default();
            if unloaded {
                part.touch(&decided);
            }
            for event in decided {
                let record = Record { seq, at: now.at, clock_given: false, event };
                whole.apply(&record);
                part.apply(&record);
                seq = seq.next();
            }
            if matches!(step, Step::Rebase) {
                part.rebase(Kept::of(&part));
            }
            prop_assert_eq!(part.disagreement(&whole, &[now.at]), None);
            prop_assert!(part.is_sound());
        }
    }
}

#[test]
fn what_concerns_all_items_a_part_does_not_take() {
    let whole = PipelineState::from_parts(plan(), Vec::new());
    let record = |event| Record {
        seq: Seq::FIRST,
        at: now(1).at,
        clock_given: false,
        event,
    };
    let added = record(Event::Added {
        item: name(1),
        id: None,
        imported: None,
    });
    let planned = record(Event::Planned {
        phases: plan().phases()[..1].to_vec(),
    });
    let (item, phase) = (name(1), Phase::new("unplanned").unwrap());
    let unplanned = record(Event::Retried { item, phase });
    for (records, sound) in [
        (vec![added.clone()], true),
        (vec![added.clone(), added.clone()], false),
        (vec![added.clone(), planned], false),
        (vec![added, unplanned], false),
    ] {
        let mut part = PipelineState::over(Kept::of(&whole), plan());
        for record in &records {
            part.apply(record);
        }
        assert_eq!(part.is_sound(), sound, "{records:?}");
    }
}
