//! The README says which test holds which sentence of the promise, and shows two workers. It is true of both.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_test_that_the_readme_names_exists() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(top.join("README.md")).unwrap();
    let mut tests = BTreeSet::new();
    for dir in ["src", "tests"] {
        collect(&top.join(dir), &mut tests);
    }
    assert!(tests.len() > 100, "{} tests", tests.len());
    let named: Vec<&str> = named(&readme).collect();
    let gone: Vec<&&str> = named
        .iter()
        .filter(|name| !tests.contains(**name))
        .collect();
    assert!(gone.is_empty(), "the README names these: {gone:?}");
    if readme.contains("The promise, and what holds it") {
        assert!(named.len() >= 16, "only {} tests: {named:?}", named.len());
    }
}

#[test]
fn the_readme_shows_the_workers_that_the_tests_run() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(top.join("README.md")).unwrap();
    for script in ["worker.sh", "worker.py"] {
        let text = std::fs::read_to_string(top.join("tests/it/scripts").join(script)).unwrap();
        assert!(readme.contains(text.trim_end()), "{script} as it stands");
    }
}

#[test]
fn names_of_tests_are_told_from_other_words() {
    let text = "| 1 | `crash::a_group_is_whole_or_absent`, `Store::submit`, `cargo test`, `log::tests::x` |";
    let names: Vec<&str> = named(text).collect();
    assert_eq!(names, ["a_group_is_whole_or_absent", "x"]);
}

/// The last part of each `module::test` in backticks: small letters throughout, and not `std::fs` or the like.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|word| {
        let small = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c);
        let (modules, name) = word.rsplit_once("::")?;
        let ours = !modules.starts_with("std") && !modules.starts_with("phaselog");
        (ours && word.chars().all(small)).then_some(name)
    })
}

/// The names of the functions behind `#[test]`.
fn collect(dir: &Path, tests: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let code = std::fs::read_to_string(&path).unwrap();
            for behind in code.split("#[test]").skip(1) {
                let name = behind
                    .split_once("fn ")
                    .and_then(|(_, rest)| rest.split_once('('));
                tests.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}
