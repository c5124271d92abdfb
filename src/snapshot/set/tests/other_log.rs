//! Snapshots of another log: whole, and none of ours.

use super::*;

/// The id that every [`place`] here has.
fn ours() -> String {
    place(1).id
}

fn theirs() -> String {
    "f".repeat(32)
}

fn kinds(loaded: &Loaded) -> Vec<(String, FindingKind)> {
    let findings = loaded.findings.iter();
    findings.map(|it| (it.file.clone(), it.kind)).collect()
}

#[test]
fn a_snapshot_counts_in_its_own_log_only() {
    let disk = with_set(&set(2, &[]));
    let reader = disk.actor("reader");
    let loaded = load_of(&reader, Path::new(DIR), Some(&ours())).unwrap();
    assert!(loaded.snapshot.is_some() && loaded.findings.is_empty());
    let loaded = load_of(&reader, Path::new(DIR), Some(&theirs())).unwrap();
    assert!(loaded.snapshot.is_none());
    assert_eq!(kinds(&loaded), [(ROOT.to_owned(), FindingKind::OtherLog)]);
}

#[test]
fn beside_a_root_of_another_log_nobody_knows_whose_the_companions_are() {
    let disk = with_set(&set(2, &[]));
    let writer = disk.actor("writer");
    let path = Path::new(DIR).join(COMPANIONS[0]);
    let stray = writer.create_new(&path).unwrap();
    stray.write_full_at(0, b"{}").unwrap();
    let loaded = load_of(&writer, Path::new(DIR), Some(&theirs())).unwrap();
    assert_eq!(kinds(&loaded), [(ROOT.to_owned(), FindingKind::OtherLog)]);
    let loaded = load_of(&writer, Path::new(DIR), Some(&ours())).unwrap();
    let unnamed = (COMPANIONS[0].to_owned(), FindingKind::Unnamed);
    assert_eq!(kinds(&loaded), [unnamed]);
}

#[test]
fn a_bak_of_another_log_is_set_aside_and_one_of_ours_is_not() {
    for (log, aside) in [(ours(), 0), (theirs(), 1)] {
        let disk = with_set(&set(2, &[]));
        let writer = disk.actor("writer");
        save(&writer, &set(3, &[]), false).unwrap();
        // The root is of `log`, whatever the `.bak` is of.
        let root = Path::new(DIR).join(ROOT);
        let text = String::from_utf8(super::root(3, &[])).unwrap();
        let (text, _) = text.split_at(text.rfind("  \"crc32\"").unwrap());
        let text = text.replace(&ours(), &log);
        let crc32 = crate::snapshot::crc_text(crc32fast::hash(text.as_bytes()));
        let text = format!("{text}  \"crc32\": \"{crc32}\"\n}}\n");
        writer.remove_file(&root).unwrap();
        let file = writer.create_new(&root).unwrap();
        file.write_full_at(0, text.as_bytes()).unwrap();
        let saved = save_of(&writer, Some(&log), &set(4, &[]), false).unwrap();
        assert_eq!(saved.set_aside.len(), aside, "{:?}", saved.set_aside);
    }
}
