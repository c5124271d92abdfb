//! What is found out about an item: in the record that completes a phase, beside others, and on its own.

use super::*;
use crate::pipeline::enrichment::DataPatch;
use crate::pipeline::extraction::ExtractionStatus;

fn data_patch(text: &str) -> DataPatch {
    DataPatch {
        patch: serde_json::from_str(text).unwrap(),
        source: None,
        confidence: None,
    }
}

/// A report that brings data and the outcome of an extraction.
fn full_report(kind: ReportKind, data: &str, extraction: ExtractionStatus) -> Command {
    let mut full = Report::new(item(), phase("p"), None, kind);
    (full.data, full.extraction) = (Some(data_patch(data)), Some(extraction));
    Command::Report(full)
}

fn data_of(driven: &Driven) -> Option<&str> {
    driven.state.data_at(0).map(|data| data.object().as_str())
}

#[test]
fn done_and_what_was_found_out_are_one_record() {
    let mut driven = Driven::new(r#"[{"phase":"p"}]"#);
    driven.start("p");
    let report = full_report(
        ReportKind::Complete,
        r#"{"price":1.0}"#,
        ExtractionStatus::Completed,
    );
    let Decision::Record(events) = driven.submit(&report).unwrap() else {
        panic!()
    };
    let [
        Event::Completed {
            data: Some(data),
            extraction: Some(_),
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    // Who does not say whose the data is was the worker.
    assert_eq!(data.source.as_deref(), Some("w3"));
    assert_eq!(data_of(&driven), Some(r#"{"price":1.0}"#));
    let item = driven.state.item_at(0);
    let extraction = item.extraction.as_deref().unwrap();
    assert_eq!(extraction.status, Some(ExtractionStatus::Completed));
    // The same again is nothing new, whatever its spelling.
    let again = full_report(
        ReportKind::Complete,
        r#"{"price":1}"#,
        ExtractionStatus::Completed,
    );
    assert!(matches!(
        driven.submit(&again),
        Ok(Decision::Unchanged(Unchanged::Phase { .. }))
    ));
    for (report, of_extraction) in [
        (
            full_report(
                ReportKind::Complete,
                r#"{"price":2}"#,
                ExtractionStatus::Failed,
            ),
            false,
        ),
        (
            full_report(ReportKind::Complete, "{}", ExtractionStatus::Failed),
            true,
        ),
    ] {
        let Err(Rejection::NewData { extraction, .. }) = driven.submit(&report) else {
            panic!()
        };
        assert_eq!(extraction, of_extraction);
    }
    assert_eq!(data_of(&driven), Some(r#"{"price":1.0}"#));
}

#[test]
fn what_was_found_out_before_it_went_wrong_stands_beside_it() {
    let mut driven = Driven::new(r#"[{"phase":"p"}]"#);
    driven.start("p");
    let report = || {
        full_report(
            fail("no photos"),
            r#"{"price":1}"#,
            ExtractionStatus::Failed,
        )
    };
    let Decision::Record(events) = driven.submit(&report()).unwrap() else {
        panic!()
    };
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["failed", "enriched", "extracted"]);
    assert!(matches!(
        driven.submit(&report()),
        Ok(Decision::Unchanged(_))
    ));
}

#[test]
fn data_is_changed_once_and_a_look_at_the_images_counts_each_time() {
    let mut driven = Driven::new(r#"[{"phase":"p"}]"#);
    let enrich = |text| Command::Enrich {
        item: item(),
        patch: data_patch(text),
    };
    assert!(matches!(
        driven.submit(&enrich(r#"{"a":{"b":1}}"#)),
        Ok(Decision::Record(_))
    ));
    assert!(matches!(
        driven.submit(&enrich(r#"{"a":{"b":1.0}}"#)),
        Ok(Decision::Unchanged(Unchanged::Data { .. }))
    ));
    assert!(matches!(
        driven.submit(&enrich(r#"{"a":{"c":[null]}}"#)),
        Ok(Decision::Record(_))
    ));
    assert_eq!(data_of(&driven), Some(r#"{"a":{"b":1,"c":[null]}}"#));
    let extract = |status| Command::Extract {
        item: item(),
        status,
    };
    for (status, records) in [
        (ExtractionStatus::InProgress, true),
        (ExtractionStatus::InProgress, false),
        (ExtractionStatus::Failed, true),
        (ExtractionStatus::Failed, true),
        (ExtractionStatus::Completed, true),
    ] {
        let decision = driven.submit(&extract(status)).unwrap();
        assert_eq!(
            matches!(decision, Decision::Record(_)),
            records,
            "{status:?}"
        );
    }
    let item = driven.state.item_at(0);
    let extraction = item.extraction.as_deref().unwrap();
    assert_eq!(
        (extraction.retry_count, extraction.status),
        (2, Some(ExtractionStatus::Completed))
    );
    let unknown = Command::Extract {
        item: ItemId::new("?").unwrap(),
        status: ExtractionStatus::Failed,
    };
    assert!(matches!(
        driven.submit(&unknown),
        Err(Rejection::UnknownItem { .. })
    ));
}

/// A field 140 levels down was recorded and acknowledged, and then nothing could read the record any more: each value
/// had been looked at for itself, and not the place where it came to stand.
#[test]
fn data_stays_as_deep_as_it_can_be_read() {
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let enrich = |text: &str| Command::Enrich {
        item: item(),
        patch: data_patch(text),
    };
    let mut driven = Driven::new(r#"[{"phase":"p"}]"#);
    driven.submit(&enrich(&nested(98))).unwrap();
    let before = data_of(&driven).map(str::to_owned);
    // The same place, one level further down; and far beyond.
    for levels in [99, 120] {
        let Err(Rejection::TooDeep { levels: told, .. }) = driven.submit(&enrich(&nested(levels)))
        else {
            panic!("{levels}")
        };
        assert_eq!(told, levels);
    }
    assert_eq!(data_of(&driven).map(str::to_owned), before);
}

/// `enrich ITEM full_address="…"` was recorded, and from then on the store said one thing and the file another: there
/// that field is the item.
#[test]
fn data_tells_of_no_other_item() {
    let mut driven = Driven::new(r#"[{"phase":"p"}]"#);
    let enrich = |text: &str| Command::Enrich {
        item: item(),
        patch: data_patch(text),
    };
    let own = serde_json::to_string(item().as_str()).unwrap();
    // As the first data, and as a change of what is there.
    for _ in 0..2 {
        for other in [
            r#"{"full_address":"200 W Mockup Ave"}"#,
            r#"{"beds":3,"full_address":5}"#,
            r#"{"full_address":{"street":"Example"}}"#,
        ] {
            let refused = driven.submit(&enrich(other));
            assert!(
                matches!(refused, Err(Rejection::OtherAddress { .. })),
                "{other}"
            );
        }
        let more = format!("{{\"full_address\":{own},\"beds\":2}}");
        driven.submit(&enrich(&more)).unwrap();
    }
    driven.submit(&enrich(r#"{"full_address":null}"#)).unwrap();
    assert_eq!(data_of(&driven), Some(r#"{"beds":2}"#));
}
