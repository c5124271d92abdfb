//! The audit of a long log: the way that reads many segments at once tells what the careful way tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use phaselog::log::{Access, From, Log, Witnesses};
use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan, Report, ReportKind};
use phaselog::store::history::{Range, Story, history};
use phaselog::store::records::Ground;
use phaselog::{Options, Ports, Store};

const ITEMS: usize = 12;

fn item(number: usize) -> ItemId {
    // A name that is written with escapes, and one that others begin with.
    let name = if number == 3 {
        "3 \"B\" St\t".to_owned()
    } else {
        format!("{number} N Example St")
    };
    ItemId::new(&name).unwrap()
}

fn options() -> Options {
    Options {
        segment_bytes: 1_500,
        ..Options::default()
    }
}

/// A store with some dozens of segments: every item is started, and fails, again and again.
fn long_log(dir: &Path) {
    let phase = Phase::new("p").unwrap();
    let plan = Plan::new(vec![PhasePlan::named(phase.clone())]).unwrap();
    let items: Vec<NewItem> = (0..ITEMS)
        .map(|number| NewItem {
            name: item(number),
            id: None,
        })
        .collect();
    let ports = Ports::real();
    let _ = Store::init(&ports, dir, &options(), &plan, &items).unwrap();
    let mut store = Store::open(ports, dir, options()).unwrap();
    for number in 0..ITEMS * 12 {
        let (item, phase) = (item(number % ITEMS), phase.clone());
        let token = store
            .submit(&Command::Start {
                item: item.clone(),
                phase: phase.clone(),
                worker: Some(format!("w{}", number % 3)),
                owner: None,
            })
            .unwrap()
            .seq();
        // Names in other places than the item's are not about it.
        let error = format!("\"{}\" said {number}", super_name(number));
        let permanent = false;
        let report = Report::new(item, phase, token, ReportKind::Fail { error, permanent });
        let _ = store.submit(&Command::Report(report)).unwrap();
    }
}

fn super_name(number: usize) -> String {
    item((number + 1) % ITEMS).to_string()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(dir.join("wal")).unwrap();
    let mut paths: Vec<PathBuf> = names
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "wal"))
        .collect();
    paths.sort();
    paths
}

fn needle(item: &ItemId) -> Finder<'static> {
    let quoted = serde_json::Value::from(item.as_str()).to_string();
    Finder::new(quoted.as_bytes()).into_owned()
}

fn story(dir: &Path, item: &ItemId) -> Story {
    let ports = Ports::real();
    let ground = Ground::open(&ports, dir, &options()).unwrap();
    let range = Range {
        first: phaselog::position::Seq::FIRST,
        last: ground.through,
    };
    history(&ports, dir, &options(), &ground, item, None, range).unwrap()
}

#[test]
fn a_sweep_finds_what_a_walk_finds() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("data");
    long_log(&dir);
    let log = Log::new(Ports::real(), &dir);
    assert!(log.segments().unwrap().len() > 20);
    for number in [0, 1, 3, 11] {
        let needle = needle(&item(number));
        let (swept, rest) = log.sweep(std::slice::from_ref(&needle)).unwrap();
        let mut walked = BTreeMap::new();
        let witnesses = Witnesses::default();
        log.read(
            From::FirstRecord,
            witnesses,
            Access::ReadOnly,
            false,
            &mut |entry| {
                if needle.find(entry.frame.payload.as_bytes()).is_some() {
                    walked.insert(
                        entry.frame.seq,
                        (entry.frame.crc, entry.frame.payload.to_owned()),
                    );
                }
                Ok(())
            },
        )
        .unwrap();
        let mut found: BTreeMap<_, _> = swept
            .into_iter()
            .map(|record| (record.seq, (record.crc, record.payload)))
            .collect();
        log.read(rest, witnesses, Access::ReadOnly, false, &mut |entry| {
            if needle.find(entry.frame.payload.as_bytes()).is_some() {
                found.insert(
                    entry.frame.seq,
                    (entry.frame.crc, entry.frame.payload.to_owned()),
                );
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(found, walked);
        // Its own records, and nothing that only quotes its name.
        let told = story(&dir, &item(number));
        assert_eq!(told.records.len(), 1 + 2 * 12);
        assert!(
            told.records
                .iter()
                .all(|told| told.item.as_deref() == Some(item(number).as_str()))
        );
        assert!(told.unreadable.is_empty());
    }
}

#[test]
fn a_sweep_has_no_answer_where_anything_is_hurt() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("data");
    long_log(&dir);
    let log = Log::new(Ports::real(), &dir);
    let needles = [needle(&item(5))];
    let whole = story(&dir, &item(5));
    let all = segments(&dir);
    // Every 7th byte of a sealed segment and of its successor's header.
    for path in &all[10..12] {
        let bytes = fs::read(path).unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut hurt = bytes.clone();
            hurt[at] ^= 1;
            fs::write(path, &hurt).unwrap();
            assert!(
                log.sweep(&needles).is_none(),
                "{} byte {at}",
                path.display()
            );
        }
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            fs::write(path, &bytes[..cut]).unwrap();
            assert!(
                log.sweep(&needles).is_none(),
                "{} cut at {cut}",
                path.display()
            );
        }
        // What follows the sealed end is nobody's.
        fs::write(path, [&bytes[..], b"torn"].concat()).unwrap();
        assert!(log.sweep(&needles).is_some());
        fs::write(path, &bytes).unwrap();
    }
    // A segment that is gone; two that changed places.
    let aside = scratch.path().join("aside");
    fs::rename(&all[8], &aside).unwrap();
    assert!(log.sweep(&needles).is_none());
    fs::rename(&all[9], &all[8]).unwrap();
    fs::rename(&aside, &all[9]).unwrap();
    assert!(log.sweep(&needles).is_none());
    fs::rename(&all[9], &aside).unwrap();
    fs::rename(&all[8], &all[9]).unwrap();
    fs::rename(&aside, &all[8]).unwrap();
    assert_eq!(story(&dir, &item(5)), whole);
    // The history of a hurt log says what cannot be read, and tells the rest.
    let bytes = fs::read(&all[10]).unwrap();
    let at = bytes.len() / 2;
    let mut hurt = bytes.clone();
    hurt[at] ^= 1;
    fs::write(&all[10], &hurt).unwrap();
    let told = story(&dir, &item(5));
    assert_eq!(told.unreadable.len(), 1);
    assert!(told.records.len() + 1 >= whole.records.len());
}
