//! The arrows between the layers, read off the sources.
//!
//! ```text
//!   main -> cli -> store -+-> log ------+-+-> ports -+-> pipeline -> position
//!                         +-> snapshot -+ +-> error -+
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A layer and those that it may use; whoever stands further to the left in the picture may use all to the right.
const ARROWS: [(&str, &[&str]); 11] = [
    ("faults", &[]),
    ("position", &["faults"]),
    ("pipeline", &["position", "faults"]),
    ("error", &["pipeline", "position", "faults"]),
    ("ports", &["pipeline", "position", "faults"]),
    ("log", &["ports", "error", "pipeline", "position", "faults"]),
    (
        "snapshot",
        &["ports", "error", "pipeline", "position", "faults"],
    ),
    (
        "store",
        &[
            "log", "snapshot", "ports", "error", "pipeline", "position", "faults",
        ],
    ),
    (
        "worker",
        &["store", "ports", "error", "pipeline", "position", "faults"],
    ),
    (
        "testing",
        &[
            "store", "log", "snapshot", "ports", "error", "pipeline", "position", "faults",
        ],
    ),
    (
        "cli",
        &[
            "testing", "worker", "store", "log", "snapshot", "ports", "error", "pipeline",
            "position", "faults",
        ],
    ),
];

/// What only the doors name.
const BEHIND_DOORS: [&[&str]; 5] = [
    &["std", "fs"],
    &["std", "time", "SystemTime"],
    &["std", "time", "Instant"],
    &["std", "process", "Command"],
    &["std", "process", "Child"],
];

/// Pure code: values in, values out.
const PURE: [&str; 5] = [
    "src/position.rs",
    "src/pipeline/",
    "src/log/frame.rs",
    "src/log/segment.rs",
    "src/log/tail.rs",
];

/// A path that the code names, such as `crate::log::frame`, with its line.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    line: usize,
    path: Vec<String>,
}

/// A source file.
struct Source {
    /// From the top of the repository, with `/`.
    name: String,
    /// The layer: the first part of the module path; `main` and `lib` for the two roots.
    layer: String,
    named: Vec<Named>,
}

#[test]
fn every_use_goes_down_the_layers() {
    let wrong: Vec<String> = sources().iter().flat_map(wrong_arrows).collect();
    assert!(wrong.is_empty(), "wrong arrows:\n  {}", wrong.join("\n  "));
}

#[test]
fn only_the_doors_name_files_clocks_and_processes() {
    let wrong: Vec<String> = sources().iter().flat_map(around_the_doors).collect();
    assert!(wrong.is_empty(), "outside ports:\n  {}", wrong.join("\n  "));
}

#[test]
fn pure_code_knows_no_doors() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for source in sources() {
        if !PURE.iter().any(|pure| source.name.starts_with(pure)) {
            continue;
        }
        seen += 1;
        let used = source.named.iter();
        let used = used.filter(|named| layer_of(&source, named).as_deref() == Some("ports"));
        wrong.extend(used.map(|named| place(&source, named)));
    }
    assert!(seen > PURE.len(), "the pure files have moved: {PURE:?}");
    assert!(
        wrong.is_empty(),
        "I/O in pure code:\n  {}",
        wrong.join("\n  ")
    );
}

#[test]
fn lib_declares_its_modules_in_reading_order() {
    let modules = modules_of_lib();
    assert!(modules.len() >= 8, "{modules:?}");
    let mut uses: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for source in sources() {
        for named in &source.named {
            if let Some(used) = layer_of(&source, named) {
                let place = place(&source, named);
                uses.entry(source.layer.clone())
                    .or_default()
                    .push((used, place));
            }
        }
    }
    let mut wrong = Vec::new();
    for (index, module) in modules.iter().enumerate() {
        for (used, place) in uses.get(module).into_iter().flatten() {
            let is_above = modules[..index].contains(used);
            if !is_above && used != module {
                wrong.push(format!("{place}: {used} stands below {module} in lib.rs"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not in reading order:\n  {}",
        wrong.join("\n  ")
    );
}

#[test]
fn every_layer_has_its_arrows() {
    for module in modules_of_lib() {
        let known = ARROWS.iter().any(|(layer, _)| *layer == module);
        assert!(
            known,
            "{module} is in lib.rs and not in ARROWS: which layers may it use?"
        );
    }
}

/// The scanner sees what it has to see: without this the tests above would pass on nothing.
#[test]
fn a_wrong_arrow_is_seen_in_every_form() {
    let bad = [
        "use crate::store::Store;",
        "use crate::{pipeline::Event, store::{self, View}};",
        "fn f() { let x = crate::store::open(); }",
        "use super::super::store;",
        "use crate :: store;",
        "impl crate::store::Store {}",
    ];
    for code in bad {
        let source = source("src/log/deep.rs", &format!("// a line\n{code}\n"));
        let wrong = wrong_arrows(&source);
        assert_eq!(
            wrong.len(),
            1 + usize::from(code.contains("View")),
            "{code}: {wrong:?}"
        );
        assert!(wrong[0].starts_with("src/log/deep.rs:2: "), "{wrong:?}");
    }
    let good = [
        "// use crate::store::Store;",
        "/* crate::store */ use crate::ports::Disk;",
        "fn f() { let x = \"crate::store\"; let y = r#\"crate::store \"x\" \"#; let z = '\"'; }",
        "use super::frame; use super::super::ports; fn f<'a>(x: &'a str) {}",
        "#[cfg(test)]\nmod tests { use crate::store::Store; }",
    ];
    for code in good {
        let wrong = wrong_arrows(&source("src/log/deep.rs", code));
        assert!(wrong.is_empty(), "{code}: {wrong:?}");
    }
    for code in [
        "use std::fs;",
        "use std::{fs::File, io};",
        "fn f() { std::fs::read(\"x\"); }",
        "use std::time::{Duration, SystemTime};",
        "use std::process;",
        "use std::process::{Command, ExitCode};",
    ] {
        let wrong = around_the_doors(&source("src/store/x.rs", code));
        assert_eq!(wrong.len(), 1, "{code}: {wrong:?}");
        assert!(around_the_doors(&source("src/ports/x.rs", code)).is_empty());
    }
    let fine = source(
        "src/store/x.rs",
        "use std::{process::ExitCode, time::Duration, io};",
    );
    assert!(around_the_doors(&fine).is_empty());
}

fn wrong_arrows(source: &Source) -> Vec<String> {
    let allowed: &[&str] = match source.layer.as_str() {
        "lib" => return Vec::new(),
        "main" => &["cli", "ports"],
        layer => match ARROWS.iter().find(|(name, _)| *name == layer) {
            Some((_, allowed)) => allowed,
            None => return vec![format!("{}: no layer is called {layer}", source.name)],
        },
    };
    let mut wrong = Vec::new();
    for named in &source.named {
        if let Some(used) = layer_of(source, named)
            && used != source.layer
            && !allowed.contains(&used.as_str())
        {
            let place = place(source, named);
            wrong.push(format!("{place}: {} may not use {used}", source.layer));
        }
    }
    wrong
}

fn around_the_doors(source: &Source) -> Vec<String> {
    if source.layer == "ports" {
        return Vec::new();
    }
    let is_behind = |path: &[String]| {
        BEHIND_DOORS.iter().any(|door| {
            let same = path.iter().zip(*door).all(|(part, wanted)| part == wanted);
            // `use std::process;` hides what is used of it.
            same && (path.len() >= door.len() || path.len() + 1 == door.len() && path.len() > 1)
        })
    };
    let wrong = source.named.iter().filter(|named| is_behind(&named.path));
    wrong.map(|named| place(source, named)).collect()
}

fn place(source: &Source, named: &Named) -> String {
    format!("{}:{}: {}", source.name, named.line, named.path.join("::"))
}

/// The layer that a path leads to; `None` for what is no module of ours.
fn layer_of(source: &Source, named: &Named) -> Option<String> {
    let first = match named.path.first()?.as_str() {
        "crate" => named.path.get(1)?,
        "phaselog" if source.layer == "main" => named.path.get(1)?,
        "super" => {
            let supers = named
                .path
                .iter()
                .take_while(|part| *part == "super")
                .count();
            let depth = module_path(&source.name).len();
            if supers < depth {
                return None;
            }
            named.path.get(supers)?
        }
        _ => return None,
    };
    let is_type = first.starts_with(char::is_uppercase);
    // `crate::Error` and its like are re-exported from there by lib.rs.
    Some(if is_type {
        "error".to_owned()
    } else {
        first.clone()
    })
}

/// `src/log/frame.rs` is `log::frame`, `src/log/mod.rs` is `log`.
fn module_path(name: &str) -> Vec<&str> {
    let inner = name.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<&str> = inner.split('/').collect();
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    parts
}

fn source(name: &str, code: &str) -> Source {
    let layer = module_path(name)[0].to_owned();
    let named = named_paths(&without_tests(&blanked(code)));
    Source {
        name: name.to_owned(),
        layer,
        named,
    }
}

fn sources() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&top.join("src"), &mut files);
    files.sort();
    assert!(files.len() > 40, "only {} sources were found", files.len());
    let mut sources = Vec::new();
    for file in files {
        let name = file.strip_prefix(top).expect("it lies in src");
        let name = name.to_string_lossy().replace('\\', "/");
        if !name.ends_with("/tests.rs") && !name.contains("/tests/") {
            let code = std::fs::read_to_string(&file).expect("a source can be read");
            sources.push(source(&name, &code));
        }
    }
    sources
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a source directory can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn modules_of_lib() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let code = std::fs::read_to_string(path).expect("lib.rs can be read");
    let declared = code.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    declared.map(str::to_owned).collect()
}

/// The code without its unit tests, which may use what they like. They stand at the end of a file.
fn without_tests(code: &str) -> String {
    let marker = "#[cfg(test)]\nmod ";
    let cut = code.match_indices(marker).find(|(at, _)| {
        // `mod tests;` has its own file; only `mod tests {` ends the code here.
        let rest = &code[at + marker.len()..];
        rest.find(['{', ';'])
            .is_some_and(|end| rest.as_bytes()[end] == b'{')
    });
    code[..cut.map_or(code.len(), |(at, _)| at)].to_owned()
}

/// The code with comments, texts and characters blanked out; every line stays where it is.
fn blanked(code: &str) -> String {
    let chars: Vec<char> = code.chars().collect();
    let mut out = String::with_capacity(code.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|&c| if c == '\n' { c } else { ' ' }),
            );
            at = end;
        }
    }
    out
}

/// Where the comment, text or character that begins at `at` ends; `at` itself if none does.
fn skipped_end(chars: &[char], at: usize) -> usize {
    let starts = |text: &str| {
        text.chars()
            .eq(chars[at..].iter().copied().take(text.len()))
    };
    let until = |from: usize, text: &str| {
        let wanted: Vec<char> = text.chars().collect();
        let found = chars[from.min(chars.len())..]
            .windows(wanted.len())
            .position(|w| w == wanted);
        found.map_or(chars.len(), |found| from + found + wanted.len())
    };
    if starts("//") {
        return until(at, "\n") - 1;
    }
    if starts("/*") {
        return until(at + 2, "*/");
    }
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if chars[at] == 'r' && !in_word {
        let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
        if chars.get(at + 1 + hashes) == Some(&'"') {
            return until(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    match chars[at] {
        quote @ ('"' | '\'') => {
            // `'a` is a lifetime unless a quote follows the one character.
            let is_char = chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'');
            if quote == '\'' && !is_char {
                return at;
            }
            let mut end = at + 1;
            while end < chars.len() && chars[end] != quote {
                end += if chars[end] == '\\' { 2 } else { 1 };
            }
            (end + 1).min(chars.len())
        }
        _ => at,
    }
}

/// Every path of the code that begins at a root (`crate`, `super`, `std`, `phaselog`), groups in braces taken apart.
fn named_paths(code: &str) -> Vec<Named> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let follows_path = at > 0 && tokens[at - 1].1 == "::";
        let is_root = matches!(
            tokens[at].1.as_str(),
            "crate" | "super" | "std" | "phaselog"
        );
        let goes_on = tokens.get(at + 1).is_some_and(|next| next.1 == "::");
        if is_root && goes_on && !follows_path {
            at = path_from(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path, with all that its braces hold; returns the index of the token after it.
fn path_from(
    tokens: &[(usize, String)],
    mut at: usize,
    before: &[String],
    found: &mut Vec<Named>,
) -> usize {
    let mut path = before.to_vec();
    let line = tokens[at].0;
    loop {
        match tokens.get(at) {
            Some((_, token)) if token == "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|(_, token)| token != "}") {
                    let next = path_from(tokens, at, &path, found);
                    at = next + usize::from(tokens.get(next).is_some_and(|(_, t)| t == ","));
                    if next == at && tokens.get(at).is_some_and(|(_, token)| token != "}") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some((_, token)) if token.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                if token != "self" {
                    path.push(token.clone());
                }
                at += 1;
            }
            _ => break,
        }
        match tokens.get(at) {
            Some((_, token)) if token == "::" => at += 1,
            _ => break,
        }
    }
    found.push(Named { line, path });
    at
}

/// Words, `::` and every other character on its own, each with its line.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens: Vec<(usize, String)> = Vec::new();
    let mut line = 1;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        } else if c.is_alphanumeric() || c == '_' {
            let mut word = c.to_string();
            while let Some(next) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(next);
            }
            tokens.push((line, word));
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push((line, "::".to_owned()));
        } else if !c.is_whitespace() {
            tokens.push((line, c.to_string()));
        }
    }
    tokens
}
