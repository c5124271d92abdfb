//! Any state at all, for the properties.

use super::*;

fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        9 => 1_700_000_000_000_000_i64..1_900_000_000_000_000,
        1 => -62_000_000_000_000_000_i64..253_000_000_000_000_000,
    ]
    .prop_map(|micros| Timestamp::from_micros(micros).unwrap())
}

fn any_json() -> impl Strategy<Value = Json> {
    prop::sample::select(vec![
        "null",
        "0.90",
        "[]",
        "{}",
        "[[],{}]",
        r#"{"z":1,"a":[154.16666666666666,12345678901234567890123,1e5]}"#,
        "[1e5,1E5,1.0E-7,1e400,1E+05,-0,-0.0,6,6.0]",
        r#""a \"quoted\", [text] {with} \\""#,
    ])
    .prop_map(json)
}

fn any_extras() -> impl Strategy<Value = Extras> {
    let after = prop::sample::select(vec![
        "",
        "status",
        "started_at",
        "attempts",
        "retry_count",
        "completed_at",
        "address",
        "last_updated",
        "plan",
        "schema_version",
        "summary",
        "other",
        "\n",
    ]);
    let key = prop::sample::select(vec![
        "a", "b", "c\"d", "status", "worker", "log", "crc32", "",
    ]);
    prop::collection::vec((after, key, any_json()), 0..4).prop_map(|fields| {
        let mut extras = Extras::default();
        for (after, key, value) in fields {
            extras.push(after, key, value);
        }
        extras
    })
}

fn any_item() -> impl Strategy<Value = ItemId> {
    prop::sample::select(vec!["a", "100 N Example St", "ü\n\"", "d"]).prop_map(item)
}

fn any_phase() -> impl Strategy<Value = Phase> {
    prop::sample::select(vec!["p0", "p1", "p2"]).prop_map(phase)
}

fn any_status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL.to_vec())
}

fn maybe_text() -> impl Strategy<Value = Option<String>> {
    prop::option::of(
        prop::sample::select(vec!["", "w1", "ca978112", "é \u{7}"]).prop_map(str::to_owned),
    )
}

fn any_boot() -> impl Strategy<Value = Option<BootInstant>> {
    prop::option::of(
        (any::<u64>(), 0_u64..2).prop_map(|(micros, asleep_us)| BootInstant {
            boot: "boot".into(),
            micros,
            asleep_us,
        }),
    )
}

fn any_owner() -> impl Strategy<Value = Option<Owner>> {
    prop::option::of(any::<u32>().prop_map(|pid| Owner {
        host: "h".into(),
        boot: "b".into(),
        pidns: "n".into(),
        pid,
        start: 9,
    }))
}

fn any_imported_phase() -> impl Strategy<Value = ImportedPhase> {
    let times = prop::array::uniform4(prop::option::of(any_time()));
    let numbers = (0_u32..3, 0_u32..3);
    (
        any_phase(),
        any_status(),
        times,
        maybe_text(),
        maybe_text(),
        numbers,
        any_extras(),
    )
        .prop_map(
            |(
                phase,
                status,
                times,
                imported_status,
                error_message,
                (attempts, retry_count),
                extras,
            )| {
                let [started_at, completed_at, failed_at, stale_reset_at] = times;
                ImportedPhase {
                    phase,
                    status,
                    imported_status,
                    started_at,
                    completed_at,
                    failed_at,
                    stale_reset_at,
                    error_message,
                    attempts,
                    retry_count,
                    found: vec![],
                    extras,
                }
            },
        )
}

fn any_imported_item() -> impl Strategy<Value = Option<Box<ImportedItem>>> {
    let times = prop::array::uniform2(prop::option::of(any_time()));
    let phases = prop::collection::vec(any_imported_phase(), 0..3);
    let imported = (times, phases, any_extras()).prop_map(|(times, phases, extras)| {
        let [created_at, last_updated] = times;
        Box::new(ImportedItem {
            created_at,
            last_updated,
            phases,
            found: vec![],
            extras,
        })
    });
    prop::option::of(imported)
}

fn any_plan() -> impl Strategy<Value = Vec<PhasePlan>> {
    let phases = prop::sample::subsequence(vec!["p0", "p1", "p2", "p3"], 0..4);
    (phases, prop::option::of(1_u32..50)).prop_map(|(names, timeout_minutes)| {
        let planned = |name: &&str| PhasePlan {
            timeout_minutes,
            needs: vec![phase("p0")],
            ..PhasePlan::named(phase(name))
        };
        names.iter().rev().map(planned).collect()
    })
}

fn any_imported_file() -> impl Strategy<Value = Event> {
    let kinds = prop::sample::select(vec![
        ("work_items", "W1"),
        ("enrichment", "list"),
        ("enrichment", "dict"),
        ("extraction", "older"),
        ("extraction", "v2"),
    ]);
    (prop::option::of(any_json()), any_extras(), kinds).prop_map(|(session, extras, of)| {
        Event::Imported(Box::new(ImportedFile {
            path: "x".into(),
            kind: of.0.into(),
            shape: of.1.into(),
            bytes: 5,
            sha256: "00".into(),
            zone: None,
            words: std::collections::BTreeMap::new(),
            session,
            extras,
            times: None,
        }))
    })
}

fn any_data() -> impl Strategy<Value = Box<DataChange>> {
    let key = prop::sample::select(vec!["full_address", "a", "b.c", "\"\""]);
    let object = prop::collection::vec((key.clone(), any_json()), 0..3).prop_map(|fields| {
        let mut members = Members::default();
        for (key, value) in &fields {
            members.set(&FieldPath::parse(key).unwrap().keys(), Some(value.as_str()));
        }
        members.to_json()
    });
    let address = prop::sample::select(vec![
        r#"{"a":0.90,"full_address":"a","b":{"c":null}}"#,
        r#"{"full_address":"b"}"#,
    ]);
    let object = prop_oneof![object, address.prop_map(json)];
    let change = (key, prop::option::of(any_json())).prop_map(|(field, new)| FieldChange {
        field: FieldPath::parse(field).unwrap(),
        old: None,
        new,
    });
    let changes = prop::collection::vec(change, 0..3);
    let of = (maybe_text(), prop::option::of(any_json()));
    (of, prop::option::of(object), changes).prop_map(|((source, confidence), object, changes)| {
        Box::new(DataChange {
            source: source.map(Into::into),
            confidence: confidence.filter(|it| it.as_str() != "null"),
            object,
            changes,
        })
    })
}

fn any_brought() -> impl Strategy<Value = (Option<Box<DataChange>>, Option<Box<ExtractionChange>>)>
{
    (
        prop::option::of(any_data()),
        prop::option::of(any_extraction()),
    )
}

fn any_extraction() -> impl Strategy<Value = Box<ExtractionChange>> {
    let status = prop::option::of(prop::sample::select(ExtractionStatus::ALL.to_vec()));
    let file = (prop::option::of(any_time()), 0_u32..3).prop_map(|(last_checked, retry_count)| {
        Box::new(ImportedExtraction {
            last_checked,
            retry_count,
            found: vec![],
        })
    });
    (status, prop::option::of(file))
        .prop_map(|(status, imported)| Box::new(ExtractionChange { status, imported }))
}

fn any_event() -> impl Strategy<Value = Event> {
    let place = || (any_item(), any_phase());
    let rare = prop_oneof![
        Just(Event::Segment),
        any_plan().prop_map(|phases| Event::Planned { phases }),
        any_imported_file(),
        (place(), 1_u64..4).prop_map(|((item, phase), token)| Event::Rejected {
            item,
            phase,
            token: Some(Seq::new(token)).filter(|token| token.get() > 1),
            of: "completed".into(),
            code: "E-STALE-TOKEN".into(),
        }),
        (any_item(), maybe_text()).prop_map(|(item, reason)| Event::Held { item, reason }),
        any_item().prop_map(|item| Event::Unheld { item }),
    ];
    let added = (any_item(), maybe_text(), any_imported_item())
        .prop_map(|(item, id, imported)| Event::Added { item, id, imported });
    let started = (place(), maybe_text(), any_boot(), any_owner()).prop_map(
        |((item, phase), worker, boot, owner)| Event::Started {
            item,
            phase,
            worker,
            boot,
            owner,
        },
    );
    let failed = (
        place(),
        maybe_text(),
        any::<bool>(),
        prop::option::of(any_time()),
        maybe_text(),
    )
        .prop_map(|((item, phase), error, permanent, due, op)| Event::Failed {
            item,
            phase,
            token: None,
            late: false,
            op,
            error: error.unwrap_or_default(),
            permanent,
            due,
        });
    let reset = (place(), any::<u64>()).prop_map(|((item, phase), elapsed_us)| Event::Reset {
        item,
        phase,
        token: None,
        cause: ResetCause::OwnerDead,
        elapsed_us,
        limit_us: 1,
        evidence: json("{}"),
    });
    let simple = (place(), 0..4, any_boot(), maybe_text(), any_brought()).prop_map(
        |((item, phase), which, boot, op, (data, extraction))| match which {
            0 => Event::Completed {
                item,
                phase,
                token: None,
                late: false,
                op,
                data,
                extraction,
            },
            1 => Event::Skipped {
                item,
                phase,
                token: None,
                late: false,
                op: None,
                reason: None,
            },
            2 => Event::Retried { item, phase },
            _ => Event::Renewed {
                item,
                phase,
                token: None,
                progress: boot.as_ref().map(|_| "page 3 of 7".to_owned()),
                boot,
            },
        },
    );
    let released = place().prop_map(|(item, phase)| Event::Released {
        item,
        phase,
        token: None,
    });
    let enriched = (any_item(), any_data()).prop_map(|(item, data)| Event::Enriched { item, data });
    let extracted = (any_item(), any_extraction())
        .prop_map(|(item, extraction)| Event::Extracted { item, extraction });
    prop_oneof![
        3 => enriched,
        1 => extracted,
        2 => rare,
        2 => added,
        4 => started,
        2 => failed,
        1 => reset,
        4 => simple,
        1 => released,
    ]
}

pub(super) fn any_state() -> impl Strategy<Value = PipelineState> {
    let steps = prop::collection::vec((any_event(), any_time(), any::<bool>(), 1_u64..3), 0..40);
    steps.prop_map(|steps| {
        let (mut state, mut seq) = (PipelineState::default(), Seq::NONE);
        for (event, at, clock_given, step) in steps {
            seq = seq.plus(step);
            state.apply(&Record {
                seq,
                at,
                clock_given,
                event,
            });
        }
        state
    })
}
