use super::*;
use crate::pipeline::event::{Owner, ResetCause};
use crate::pipeline::extraction::{ExtractionStatus, ItemExtraction};
use crate::pipeline::item::{self, Hold, Lease, Refusal, Return};
use crate::pipeline::json::Extras;
use crate::pipeline::names::Phase;
use crate::pipeline::op_ids::{OpIds, Operation};
use crate::pipeline::time::BootInstant;

fn at(micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(micros)
}

fn extras() -> Extras {
    serde_json::from_str(r#"[["","hash",0.90],["id","k",{"b":1e5,"a":[]}]]"#).unwrap()
}

/// Every field set, each to something else.
fn full() -> Item {
    let mut item = Item::new(ItemId::new("100 N Example St\n\u{e9}").unwrap(), 3);
    item.id = Some("AbCd".into());
    (item.created_at, item.last_updated) = (at(-5), at(1_795_398_015_123_456));
    item.hold = Some(Box::new(Hold {
        seq: Seq::new(9),
        reason: Some("asked".into()),
    }));
    item.extras = extras();
    for (seq, change) in [
        (
            30,
            r#"{"source":"a","confidence":0.90,"object":{"b":1,"a":[1e5]}}"#,
        ),
        (31, r#"{"changes":[{"field":"b","old":1,"new":2.0}]}"#),
    ] {
        let change = serde_json::from_str(change).unwrap();
        ItemData::apply(&mut item.data, &change, Seq::new(seq), at(32).unwrap());
    }
    item.extraction = Some(Box::new(ItemExtraction {
        status: Some(ExtractionStatus::Failed),
        last_checked: at(33),
        retry_count: 34,
        since: Seq::new(35),
    }));
    item.phases[1] = PhaseState {
        status: Status::Failed,
        attempts: 1,
        since: Seq::new(4),
        token: Some(Seq::new(u64::MAX)),
        started_at: at(5),
        completed_at: at(6),
        ..PhaseState::default()
    }
    .with(item::Rare {
        retry_count: 2,
        forgiven: 3,
        failed_at: at(7),
        stale_reset_at: at(8),
        due: at(9),
        permanent: true,
        worker: Some("w".into()),
        error_message: Some("it\nbroke".into()),
        lease: Some(Box::new(Lease {
            at: at(10).unwrap(),
            wall_only: true,
            boot: Some(BootInstant {
                boot: "b".into(),
                micros: 11,
                asleep_us: 12,
            }),
            owner: Some(Owner {
                host: "h".into(),
                boot: "b2".into(),
                pidns: "ns".into(),
                pid: 13,
                start: 14,
            }),
            progress: Some("page 3".into()),
        })),
        returned: Some(Box::new(Return {
            seq: Seq::new(15),
            token: Some(Seq::new(16)),
            cause: Some(ResetCause::Reboot),
            elapsed_us: 17,
            limit_us: 18,
        })),
        imported_status: Some("complete".into()),
        refused: [19, 20]
            .map(|seq| Refusal {
                seq: Seq::new(seq),
                token: Seq::new(seq - 10),
                of: "completed".into(),
            })
            .into(),
        extras: extras(),
    });
    item.phases[2].attempts = 1;
    item
}

#[test]
fn an_item_comes_back_as_it_was() {
    for item in [full(), Item::new(ItemId::new("x").unwrap(), 0)] {
        let mut bytes = Vec::new();
        encode(&item, &mut bytes);
        assert_eq!(decode(&bytes), Some(item));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
    }
}

#[test]
fn a_phase_that_nobody_touched_takes_one_byte() {
    let (mut few, mut many) = (Vec::new(), Vec::new());
    encode(&Item::new(ItemId::new("x").unwrap(), 1), &mut few);
    encode(&Item::new(ItemId::new("x").unwrap(), 7), &mut many);
    assert_eq!(many.len() - few.len(), 6);
}

#[test]
fn what_is_to_be_found_in_a_row_is_stated() {
    let found = |change: &dyn Fn(&mut Item)| {
        let mut item = Item::new(ItemId::new("x").unwrap(), 2);
        for phase in &mut item.phases {
            phase.status = Status::Completed;
        }
        change(&mut item);
        let mut bytes = Vec::new();
        encode(&item, &mut bytes);
        assert_eq!(stated(&bytes), holds(&item));
        assert_eq!(name(&bytes), Some("x"));
        stated(&bytes)
    };
    assert_eq!(found(&|_| {}), 0);
    let status = |status| move |item: &mut Item| item.phases[1].status = status;
    assert_eq!(found(&status(Status::Skipped)), 0);
    assert_eq!(found(&status(Status::InProgress)), holding::RUNNING);
    assert_eq!(found(&status(Status::Pending)), holding::OPEN);
    assert_eq!(found(&status(Status::Failed)), holding::OPEN);
    assert_eq!(found(&|item| item.id = Some("own".into())), holding::RARE);
    assert_eq!(found(&|item| item.phases[0].retry_count = 1), holding::RARE);
    // An edit of a file leaves a failed phase with the time of its completion and nothing else; a snapshot has a row for it.
    let edited = |item: &mut Item| {
        (item.phases[0].status, item.phases[0].completed_at) = (Status::Failed, at(5));
    };
    assert_eq!(found(&edited), holding::OPEN | holding::RARE);
}

#[test]
fn operations_come_back_as_they_were() {
    let mut operations = OpIds::default();
    for number in [3, 1, 2] {
        let operation = Operation {
            id: format!("op {number}"),
            event: "completed".into(),
            item: ItemId::new("x").unwrap(),
            phase: Phase::new("p").unwrap(),
        };
        operations.note(Seq::new(number), operation);
    }
    let mut bytes = Vec::new();
    encode_operations(&operations, &mut bytes);
    assert_eq!(decode_operations(&bytes), Some(operations));
}
