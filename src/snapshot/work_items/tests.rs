//! What `work_items.json` looks like, and that it gives back every state.

mod any;

use proptest::prelude::*;

use super::*;
use crate::pipeline::enrichment::{DataChange, FieldChange};
use crate::pipeline::event::{
    Event, ImportedFile, ImportedItem, ImportedPhase, Owner, Record, ResetCause,
};
use crate::pipeline::extraction::{ExtractionChange, ExtractionStatus, ImportedExtraction};
use crate::pipeline::json::Extras;
use crate::pipeline::members::Members;
use crate::pipeline::time::BootInstant;
use crate::pipeline::{Facts, FieldPath, ItemId, Json, Phase, PhasePlan, Status, Timestamp};
use crate::snapshot::enrichment;
use any::any_state;

fn place() -> LogPlace {
    LogPlace {
        id: "0123456789abcdef0123456789abcdef".into(),
        seq: Seq::new(517),
        crc32: 0x77ab_01cd,
        sha256: "ab".repeat(32),
    }
}

fn companions() -> Vec<CompanionName> {
    vec![
        CompanionName {
            name: "enrichment_data.json".into(),
            bytes: 87_345,
            crc32: 7,
        },
        CompanionName {
            name: "a \"b\".json".into(),
            bytes: 0,
            crc32: 0,
        },
    ]
}

fn bytes_of(state: &PipelineState) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = encode(state, &place(), &companions(), TimeStyle::Utc, &mut bytes).unwrap();
    assert_eq!(written.bytes, bytes.len() as u64);
    bytes
}

/// What stands in the file, with the items' data brought in from the file beside it.
fn whole(decoded: Decoded<Box<WorkItems>>, state: &PipelineState) -> Decoded<Box<WorkItems>> {
    decoded.map(|mut inside| {
        let mut data = Vec::new();
        enrichment::encode(state, &mut data).unwrap();
        let rows = std::mem::take(&mut inside.data);
        let attached = enrichment::attach(&mut inside.state, rows, &mut &*data);
        attached.unwrap().unwrap();
        inside
    })
}

fn inside(state: &PipelineState) -> Box<WorkItems> {
    Box::new(WorkItems {
        state: state.clone(),
        data: Vec::new(),
        place: place(),
        companions: companions(),
    })
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// Folds events a second apart.
fn fold(events: Vec<Event>) -> PipelineState {
    let mut state = PipelineState::default();
    let start = at("2026-11-23T01:40:15.123456Z");
    for (index, event) in events.into_iter().enumerate() {
        let seconds = index as u64;
        state.apply(&Record {
            seq: Seq::new(seconds + 1),
            at: start.plus_micros(seconds * 1_000_000),
            clock_given: false,
            event,
        });
    }
    state
}

fn item(name: &str) -> ItemId {
    ItemId::new(name).unwrap()
}

fn phase(name: &str) -> Phase {
    Phase::new(name).unwrap()
}

/// One item of every sort, with fields of another program at every level.
#[expect(clippy::too_many_lines, reason = "it is one story")]
fn example() -> PipelineState {
    let plan = r#"[{"phase":"phase0_county"},{"phase":"phase1_listing","needs":["phase0_county"],"timeout_minutes":45}]"#;
    let (house, other) = (
        item("100 N Example St, Phoenix, AZ 85001"),
        item("naïve \"q\""),
    );
    let (county, listing) = (phase("phase0_county"), phase("phase1_listing"));
    let mut extras = Extras::default();
    extras.push(
        "address",
        "hash",
        json(r#"{"a":[],"b":[0.90,{"c":"x,[y]\\\""}],"d":{}}"#),
    );
    extras.push("last_updated", "locked_by", json("null"));
    let mut of_phase = Extras::default();
    of_phase.push("started_at", "host", json("\"h1\""));
    let imported = ImportedItem {
        created_at: Some(at("2026-01-01T00:00:00Z")),
        last_updated: None,
        phases: vec![ImportedPhase {
            phase: county.clone(),
            status: Status::Completed,
            imported_status: Some("complete".into()),
            started_at: None,
            completed_at: Some(at("2026-01-02T00:00:00.5Z")),
            failed_at: None,
            stale_reset_at: None,
            error_message: None,
            attempts: 1,
            retry_count: 0,
            found: vec![],
            extras: of_phase,
        }],
        found: vec![],
        extras,
    };
    let start = |item: &ItemId, phase: &Phase| Event::Started {
        item: item.clone(),
        phase: phase.clone(),
        worker: Some("w3".into()),
        boot: Some(BootInstant {
            boot: "b00t".into(),
            micros: 77,
            asleep_us: 0,
        }),
        owner: None,
    };
    let mut of_document = Extras::default();
    of_document.push("schema_version", "generator", json("\"crawler 3\""));
    of_document.push("summary", "plan", json("[1,2]"));
    fold(vec![
        Event::Segment,
        Event::Planned {
            phases: serde_json::from_str(plan).unwrap(),
        },
        Event::Imported(Box::new(ImportedFile {
            path: "old/work_items.json".into(),
            kind: "work_items".into(),
            shape: "a".into(),
            bytes: 12,
            sha256: "cd".repeat(32),
            zone: None,
            words: [("complete".to_owned(), 1)].into(),
            session: Some(json(r#"{"session_id":"s1","mode":"batch"}"#)),
            extras: of_document,
            times: None,
        })),
        Event::Added {
            item: house.clone(),
            id: Some("6948a957".into()),
            imported: Some(Box::new(imported)),
        },
        Event::Added {
            item: other.clone(),
            id: None,
            imported: None,
        },
        start(&house, &listing),
        Event::Failed {
            item: house.clone(),
            phase: listing.clone(),
            token: Some(Seq::new(6)),
            late: false,
            op: None,
            error: "HTTP 503".into(),
            permanent: false,
            due: Some(at("2026-11-23T02:00:00Z")),
        },
        start(&house, &listing),
        start(&other, &county),
        Event::Reset {
            item: other.clone(),
            phase: county.clone(),
            token: Some(Seq::new(9)),
            cause: ResetCause::Timeout,
            elapsed_us: 2_000_000_000,
            limit_us: 1_800_000_000,
            evidence: json("{}"),
        },
        start(&other, &county),
        Event::Failed {
            item: other.clone(),
            phase: county,
            token: Some(Seq::new(11)),
            late: false,
            op: None,
            error: "no \u{1F3E0}\nthere".into(),
            permanent: true,
            due: None,
        },
        Event::Held {
            item: other,
            reason: Some("owner asked".into()),
        },
    ])
}

/// Compares with the file in `snapshots/`.
fn golden(name: &str, bytes: &[u8]) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = str::from_utf8(bytes).unwrap();
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_file_looks_as_the_format_says() {
    golden("work_items__example", &bytes_of(&example()));
}

#[test]
fn an_empty_state_has_a_file() {
    let state = PipelineState::default();
    let bytes = bytes_of(&state);
    assert_eq!(decode(&bytes), Decoded::Valid(inside(&state)));
    golden("work_items__empty", &bytes);
}

#[test]
fn it_is_laid_out_as_other_programs_lay_it_out() {
    let bytes = bytes_of(&example());
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap() + "\n";
    // But for `log.state`, whose rows stand on one line each.
    let text = String::from_utf8(bytes).unwrap();
    let readable = |text: &str| text.split("\"state\": {\n").next().unwrap().to_owned();
    assert_eq!(readable(&text), readable(&pretty));
}

#[test]
fn reformatting_alone_is_no_edit() {
    let state = example();
    let bytes = bytes_of(&state);
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let compact = serde_json::to_vec(&value).unwrap();
    let windows = [
        b"\xef\xbb\xbf",
        &*String::from_utf8(bytes.clone())
            .unwrap()
            .replace('\n', "\r\n")
            .into_bytes(),
    ]
    .concat();
    let respelled = String::from_utf8(bytes.clone())
        .unwrap()
        .replace(
            "\"completion_percentage\": 0.0",
            "\"completion_percentage\": 0",
        )
        .replace('ï', "\\u00ef");
    for other in [
        &compact,
        &windows,
        respelled.as_bytes(),
        bytes.trim_ascii_end(),
    ] {
        assert_ne!(other, bytes);
        assert_eq!(decode(other), Decoded::Reformatted(inside(&state)));
        let Decoded::Reformatted(names) = decode_names(other) else {
            panic!("{:?}", decode_names(other))
        };
        assert_eq!(names.companions, companions());
    }
}

#[test]
fn every_change_of_a_value_is_an_edit() {
    let text = String::from_utf8(bytes_of(&example())).unwrap();
    let edited = Decoded::Edited {
        log_seq: Some(Seq::new(517)),
    };
    for (from, to) in [
        ("HTTP 503", "HTTP 504"),
        ("\"status\": \"blocked\"", "\"status\": \"pending\""),
        ("\"index\": 1", "\"index\": 7"),
        ("\"total\": 2", "\"total\": 3"),
        ("\"attempts\": 2", "\"attempts\": 3"),
        ("\"session_id\": \"s1\"", "\"session_id\": \"s2\""),
        ("\"hash\": {", "\"smash\": {"),
        ("\"log\": {", "\"added\": 1, \"log\": {"),
        ("\"seqs\": [", "\"seqs\": [[0],"),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        assert_eq!(decode(other.as_bytes()), edited, "{from}");
    }
}

#[test]
fn no_flipped_bit_makes_a_snapshot_newer() {
    let bytes = bytes_of(&example());
    for bit in 0..8 * bytes.len() {
        let mut hurt = bytes.clone();
        hurt[bit / 8] ^= 1 << (bit % 8);
        for newer in [
            matches!(decode(&hurt), Decoded::Newer { .. }),
            matches!(decode_names(&hurt), Decoded::Newer { .. }),
        ] {
            assert!(!newer, "bit {bit}: {}", String::from_utf8_lossy(&hurt));
        }
    }
}

#[test]
fn each_sort_of_file_is_told_apart() {
    let text = String::from_utf8(bytes_of(&example())).unwrap();
    let half = &text[..text.find("HTTP 503").unwrap()];
    assert!(matches!(
        decode(half.as_bytes()),
        Decoded::Damaged {
            line: 1..,
            column: 1..,
            ..
        }
    ));
    assert!(matches!(decode(b""), Decoded::Damaged { .. }));
    assert!(matches!(decode(b"\xff\xfe"), Decoded::Damaged { .. }));
    for foreign in [
        "[]",
        "{}",
        "7",
        r#"{"work_items":[]}"#,
        r#"{"log":"x","schema_version":"9"}"#,
    ] {
        assert_eq!(decode(foreign.as_bytes()), Decoded::Foreign, "{foreign}");
    }
    let newer = |text: &str| match decode(text.as_bytes()) {
        Decoded::Newer { what } => what,
        other => panic!("{other:?}"),
    };
    for (from, to, what) in [
        ("\"1.0.0\"", "\"2.0.0\"", "schema_version 2.0.0"),
        ("\"log\": {", "\"log\": {\"format\": 2,", "log.format 2"),
        (
            "\"seqs\": [",
            "\"secrets\": 1, \"seqs\": [",
            "log.state.secrets",
        ),
    ] {
        let other = text.replacen(from, to, 1);
        assert_eq!(newer(&sealed(&other)), what);
        let names = decode_names(sealed(&other).as_bytes());
        assert!(names.usable().is_none() || what.starts_with("log.state"));
        // Without its checksum it may just as well be a hurt byte, and nothing in it is believed.
        assert!(matches!(decode(other.as_bytes()), Decoded::Edited { .. }));
    }
    let minor = sealed(&text.replacen("\"1.0.0\"", "\"1.7.0\"", 1));
    assert_eq!(decode(minor.as_bytes()), Decoded::Valid(inside(&example())));
}

/// The text with the checksum that belongs to it.
fn sealed(text: &str) -> String {
    let at = text.rfind("  \"crc32\"").unwrap();
    let crc32 = crc32fast::hash(&text.as_bytes()[..at]);
    format!("{}  \"crc32\": \"{crc32:08x}\"\n}}\n", &text[..at])
}

#[test]
fn parts_that_do_not_fit_are_damage_and_no_panic() {
    let text = String::from_utf8(bytes_of(&example())).unwrap();
    for (from, to) in [
        ("\"phase0_county\": {", "\"phase9\": {"),
        ("\"seqs\": [", "\"seqs\": [[99,1],"),
        ("\"seqs\": [", "\"seqs\": [[],"),
        ("\"seqs\": [", "\"seqs\": [[0,1,2,3,4,5,6],"),
        ("\"holds\": [", "\"holds\": [[99,1,null],"),
        (
            "\"extras\": [",
            "\"extras\": [[null,null,[[\"\",\"nowhere\",null]]],",
        ),
        (
            "\"extras\": [",
            "\"extras\": [[null,null,[[\"\",\"k\",\"{\"]]],",
        ),
        ("\"extras\": [", "\"extras\": [[0,9,[]],"),
        ("\"at_us\":", "\"at_us\":9000000000000000000,\"x_us\":"),
        (
            "\"address\": \"naïve \\\"q\\\"\"",
            "\"address\": \"100 N Example St, Phoenix, AZ 85001\"",
        ),
        ("\"77ab01cd\"", "\"77AB01CD\""),
        ("2026-01-01", "2026-13-01"),
    ] {
        let other = sealed(&text.replacen(from, to, 1));
        assert_ne!(other, text, "{from}");
        let decoded = decode(other.as_bytes());
        assert!(
            matches!(decoded, Decoded::Damaged { .. }),
            "{from}: {decoded:?}"
        );
    }
}

/// Gives a text seven bytes at a time, so that everything lies across two reads once.
struct Drops<'a>(&'a [u8]);

impl std::io::Read for Drops<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(into.len()).min(7);
        let (now, later) = self.0.split_at(count);
        into[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

proptest! {
    #[test]
    fn every_state_comes_back(state in any_state()) {
        let bytes = bytes_of(&state);
        let in_pieces = decode_in_pieces(&mut Drops(&bytes)).unwrap().map(Decoded::Valid);
        prop_assert_eq!(in_pieces, Some(decode(&bytes)));
        let decoded = whole(decode(&bytes), &state);
        prop_assert_eq!(decoded, Decoded::Valid(inside(&state)));
        let Decoded::Valid(names) = decode_names(&bytes) else { panic!("it was valid") };
        prop_assert_eq!(names.companions, companions());
        let compact: Json = serde_json::from_slice(&bytes).unwrap();
        let decoded = whole(decode(compact.as_str().as_bytes()), &state);
        prop_assert_eq!(decoded, Decoded::Reformatted(inside(&state)));
    }

    #[test]
    fn times_without_an_offset_come_back_whatever_the_zone_was(
        state in any_state(),
        offsets in prop::collection::vec((1_u64..4, -50_000_i32..50_000), 0..9),
    ) {
        let offsets = serde_json::from_value(serde_json::json!(offsets)).unwrap();
        let mut bytes = Vec::new();
        let style = TimeStyle::NaiveAs(offsets);
        encode(&state, &place(), &companions(), style, &mut bytes).unwrap();
        prop_assert_eq!(whole(decode(&bytes), &state), Decoded::Valid(inside(&state)));
        let compact: Json = serde_json::from_slice(&bytes).unwrap();
        let decoded = whole(decode(compact.as_str().as_bytes()), &state);
        prop_assert_eq!(decoded, Decoded::Reformatted(inside(&state)));
    }

    #[test]
    fn a_changed_byte_is_never_valid(state in any_state(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = bytes_of(&state);
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(decode_in_pieces(&mut Drops(&bytes)).unwrap().is_none());
        match decode(&bytes) {
            Decoded::Valid(_) => prop_assert!(false, "byte {at}"),
            // White space for white space, or one letter for its escape: it says the same.
            Decoded::Reformatted(read) => {
                let read = whole(Decoded::Reformatted(read), &state);
                prop_assert_eq!(read, Decoded::Reformatted(inside(&state)));
            }
            _ => {}
        }
    }

    #[test]
    fn any_bytes_are_something(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }
}

#[test]
fn a_hundred_thousand_items() {
    // In a release build this is the large store that must not keep anybody waiting.
    let count = if cfg!(debug_assertions) { 500 } else { 100_000 };
    let phases = ["p0", "p1", "p2", "p3"].map(phase);
    let planned = phases.iter().cloned().map(PhasePlan::named).collect();
    let mut events = vec![Event::Planned { phases: planned }];
    for index in 0..count {
        let item = item(&format!("{index} N Example St, Phoenix, AZ 85001"));
        for phase in &phases[..2] {
            let (item, phase) = (item.clone(), phase.clone());
            events.push(Event::Started {
                item: item.clone(),
                phase: phase.clone(),
                worker: None,
                boot: None,
                owner: None,
            });
            events.push(Event::Completed {
                item,
                phase,
                token: None,
                late: false,
                op: None,
                data: None,
                extraction: None,
            });
        }
    }
    let state = fold(events);
    let bytes = bytes_of(&state);
    assert_eq!(decode(&bytes).usable().unwrap().state.item_count(), count);
}
