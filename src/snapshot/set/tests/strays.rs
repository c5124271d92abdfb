//! Files at our names that are not what was written there: edited, damaged, of other programs, of newer versions.

use super::*;

#[test]
fn an_edited_root_is_refused_and_set_aside_only_when_asked() {
    let disk = with_two_sets();
    let text = String::from_utf8(disk.peek("data/work_items.json").unwrap()).unwrap();
    let changed = text
        .replacen("\"attempts\": 0", "\"attempts\": 5", 1)
        .replacen("item 2", "item 7", 1);
    plant_over(&disk, ROOT, changed.as_bytes());
    assert_eq!(kinds(&disk), [(ROOT.to_owned(), edited(Some(2)))]);
    let loaded = load_from(&disk.actor("look")).unwrap();
    assert_eq!(
        loaded.findings[0].sha256,
        Some(sha256_of(changed.as_bytes()))
    );
    let snapshot = loaded.snapshot.unwrap();
    assert_eq!(
        (snapshot.source, snapshot.place.seq),
        (Source::Bak, Seq::new(1))
    );
    let before = files(&disk);
    let refused = save(&disk.actor("C"), &set(3, BOTH), false);
    assert!(
        matches!(refused, Err(Error::Edited { file, .. }) if file == Path::new("data/work_items.json"))
    );
    assert_eq!(files(&disk), before, "nothing was changed");
    let saved = save(&disk.actor("D"), &set(3, BOTH), true).unwrap();
    let [copy] = &*saved.set_aside else {
        panic!("{saved:?}")
    };
    assert!(
        copy.starts_with("work_items.json.20261123T014015.") && copy.len() == 40,
        "{copy}"
    );
    let kept = disk.peek(Path::new(QUARANTINE).join(copy)).unwrap();
    assert_eq!(kept, changed.as_bytes());
    assert_eq!(number(&disk.actor("look")), Ok(3));
    let after_a_cut = disk.power_cut(&mut |_| false);
    assert_eq!(
        after_a_cut.peek(Path::new(QUARANTINE).join(copy)).unwrap(),
        changed.as_bytes()
    );
}

#[test]
fn a_damaged_root_is_set_aside_without_asking() {
    let disk = with_two_sets();
    plant_over(&disk, ROOT, b"{\"schema_ver");
    assert_eq!(kinds(&disk)[0], (ROOT.to_owned(), FindingKind::Damaged));
    let snapshot = load_from(&disk.actor("look")).unwrap().snapshot.unwrap();
    assert_eq!(
        (snapshot.source, snapshot.place.seq),
        (Source::Bak, Seq::new(1))
    );
    let contents: Vec<_> = snapshot.companions.iter().map(content).collect();
    assert_eq!(
        contents,
        BOTH.iter()
            .map(|name| companion(name, 1).into_bytes())
            .collect::<Vec<_>>()
    );
    let saved = save(&disk.actor("C"), &set(3, BOTH), false).unwrap();
    assert_eq!(
        saved.set_aside.len(),
        3,
        "the root, and two files that no root names any more"
    );
    assert_eq!(number(&disk.actor("look")), Ok(3));
}

#[test]
fn a_companion_that_somebody_changed_is_read_from_its_bak_or_not_at_all() {
    let disk = with_two_sets();
    save(&disk.actor("again"), &set(2, BOTH), false).unwrap();
    plant_over(&disk, "a.json", b"{\"mine\": 1}");
    assert_eq!(kinds(&disk), [("a.json".to_owned(), edited(None))]);
    let snapshot = load_from(&disk.actor("look")).unwrap().snapshot.unwrap();
    assert_eq!(
        (snapshot.source, snapshot.place.seq),
        (Source::Root, Seq::new(2))
    );
    let refused = save(&disk.actor("C"), &set(3, BOTH), false);
    assert!(matches!(refused, Err(Error::Edited { file, .. }) if file == Path::new("data/a.json")));
    // The copy in the .bak is the only one left: it must stay until the new set is in place.
    let explored = Explorer::new(&disk)
        .stage(
            "D",
            Kills::AtEveryCall,
            |ports, _: &crate::testing::Claims<u64>| {
                let _ = save(&*ports.disk, &set(3, BOTH), true);
            },
        )
        .outcomes(OUTCOMES)
        .run(|disk, _| {
            let loaded = load_from(&disk.actor("look")).map_err(|error| error.to_string())?;
            let set = loaded.snapshot.ok_or("no set is left")?;
            let content = companion("a.json", set.place.seq.get());
            if self::content(&set.companions[0]) != content.as_bytes() {
                return Err("another a.json".to_owned());
            }
            Ok(())
        });
    explored.assert_clean();

    plant_over(&disk, "a.json.bak", b"{}");
    plant_over(&disk, "a.json", b"not JSON");
    let root = (ROOT.to_owned(), FindingKind::MissingCompanion);
    assert_eq!(kinds(&disk)[..1], [root]);
    // No crash of ours leaves that: it is somebody's, as well.
    assert!(kinds(&disk).contains(&("a.json".to_owned(), FindingKind::Unparsable)));
    let refused = save(&disk.actor("E"), &set(4, BOTH), false);
    assert!(
        matches!(refused, Err(Error::Edited { file, unreadable: Some(why), .. })
            if file == Path::new("data/a.json") && why.starts_with("it is no JSON"))
    );
    let saved = save(&disk.actor("E"), &set(4, BOTH), true).unwrap();
    assert_eq!(saved.set_aside.len(), 1, "{saved:?}");
    assert_eq!(number(&disk.actor("look")), Ok(4));
}

#[test]
fn after_a_crash_anywhere_a_companion_that_somebody_changes_is_noticed_and_left_alone() {
    let base = with_two_sets();
    for mine in [&b"{\"mine\": 1}"[..], b"{\"mine\": 1", b""] {
        let explored = Explorer::new(&base)
            .stage(
                "A",
                Kills::AtEveryCall,
                |ports, _: &crate::testing::Claims<u64>| {
                    let _ = save(&*ports.disk, &set(3, BOTH), false);
                },
            )
            .outcomes(OUTCOMES)
            .run(|disk, _| {
                let before = load_from(&disk.actor("look")).map_err(|error| error.to_string())?;
                if let Some(found) = before.findings.iter().find(|it| it.file == "a.json") {
                    return Err(format!("nobody did this: {found:?}"));
                }
                plant_over(disk, "a.json", mine);
                let wanted = if mine.ends_with(b"}") {
                    edited(None)
                } else {
                    FindingKind::Unparsable
                };
                if !kinds(disk).contains(&("a.json".to_owned(), wanted)) {
                    return Err(format!("not noticed: {:?}", kinds(disk)));
                }
                let saved = save(&disk.actor("B"), &set(4, BOTH), false);
                let refused =
                    matches!(&saved, Err(Error::Edited { file, .. }) if file.ends_with("a.json"));
                let kept = disk.peek("data/a.json").as_deref() == Some(mine);
                (refused && kept)
                    .then_some(())
                    .ok_or_else(|| format!("written over: {saved:?}"))
            });
        explored.assert_clean();
    }
}

#[test]
fn a_file_of_another_program_is_refused_unless_it_was_imported() {
    let disk = fresh();
    plant_over(&disk, ROOT, b"{\"work_items\": [1]}");
    assert_eq!(kinds(&disk), [(ROOT.to_owned(), FindingKind::Foreign)]);
    assert!(matches!(
        save(&disk.actor("A"), &set(1, BOTH), false),
        Err(Error::Edited { .. })
    ));
    plant_over(&disk, ROOT, IMPORTED);
    plant_over(&disk, "a.json", b"{}");
    let refused = save(&disk.actor("B"), &set(1, BOTH), false);
    assert!(matches!(refused, Err(Error::Edited { file, .. }) if file == Path::new("data/a.json")));
    plant_over(&disk, "a.json", IMPORTED);
    let saved = save(&disk.actor("C"), &set(1, BOTH), false).unwrap();
    assert_eq!(
        saved.set_aside, [""; 0],
        "the originals are in wal/imported"
    );
    assert_eq!(number(&disk.actor("look")), Ok(1));
}

#[test]
fn a_bak_of_the_user_is_copied_first() {
    let disk = with_set(&set(1, BOTH));
    for file in ["work_items.json.bak", "a.json.bak"] {
        plant_over(&disk, file, b"my backup");
    }
    let saved = save(&disk.actor("A"), &set(2, BOTH), false).unwrap();
    assert_eq!(saved.set_aside.len(), 2);
    for copy in &saved.set_aside {
        assert_eq!(
            disk.peek(Path::new(QUARANTINE).join(copy)).unwrap(),
            b"my backup"
        );
    }
    assert_eq!(number(&disk.actor("look")), Ok(2));
}

#[test]
fn a_newer_snapshot_stops_everything() {
    let disk = with_two_sets();
    let text = String::from_utf8(disk.peek("data/work_items.json").unwrap()).unwrap();
    let text = text.replacen("\"1.0.0\"", "\"2.0.0\"", 1);
    let (covered, _) = text.split_at(text.rfind("  \"crc32\"").unwrap());
    let crc32 = crc32fast::hash(covered.as_bytes());
    let text = format!("{covered}  \"crc32\": \"{crc32:08x}\"\n}}\n");
    plant_over(&disk, ROOT, text.as_bytes());
    let before = files(&disk);
    assert!(matches!(
        load_from(&disk.actor("look")),
        Err(Error::NewerFormat { .. })
    ));
    for discard_edits in [false, true] {
        let refused = save(&disk.actor("A"), &set(3, BOTH), discard_edits);
        assert!(matches!(refused, Err(Error::NewerFormat { .. })));
    }
    assert_eq!(files(&disk), before);
}

#[test]
fn a_reformatted_root_is_as_good_as_ours() {
    let disk = with_two_sets();
    let root = disk.peek("data/work_items.json").unwrap();
    let value: serde_json::Value = serde_json::from_slice(&root).unwrap();
    plant_over(&disk, ROOT, value.to_string().as_bytes());
    assert_eq!(number(&disk.actor("look")), Ok(2));
    let saved = save(&disk.actor("A"), &set(3, BOTH), false).unwrap();
    assert_eq!(saved.set_aside, [""; 0]);
    assert_eq!(number(&disk.actor("look")), Ok(3));
}
