//! Why a file is too large to be read: the place of the text in it that is longer than any record. And what to do where files
//! have more than is recorded at once.

use std::io::{self, Read};
use std::path::PathBuf;

use super::super::context::Context;

/// A text of JSON, by where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Counted from 1.
    pub(super) line: u64,
    /// In characters, counted from 1.
    pub(super) column: u64,
    /// How long it is, without its quotes.
    pub(super) bytes: u64,
}

/// The first text that is longer than `limit` bytes, if there is one. It takes no more memory than a block.
pub(super) fn longer_than(limit: u64, from: &mut dyn Read) -> io::Result<Option<Text>> {
    let mut block = vec![0; 1 << 20];
    let (mut line, mut column) = (1, 1);
    let (mut inside, mut escaped): (Option<Text>, bool) = (None, false);
    let is_long = |text: Option<Text>| text.filter(|text| text.bytes > limit);
    loop {
        let read = match from.read(&mut block) {
            Ok(0) => return Ok(is_long(inside)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for &byte in &block[..read] {
            match &mut inside {
                Some(_) if byte == b'"' && !escaped => {
                    if is_long(inside).is_some() {
                        return Ok(inside);
                    }
                    inside = None;
                }
                Some(text) => {
                    text.bytes += 1;
                    escaped = byte == b'\\' && !escaped;
                }
                None if byte == b'"' => {
                    let bytes = 0;
                    inside = Some(Text {
                        line,
                        column,
                        bytes,
                    });
                }
                None => {}
            }
            if byte == b'\n' {
                (line, column) = (line + 1, 1);
            } else if byte & 0xc0 != 0x80 {
                // The rest of a character is no other one.
                column += 1;
            }
        }
    }
}

/// How files are taken in that have more than is recorded at once: each on its own, or in parts.
pub(super) fn in_parts(files: &[PathBuf], context: &Context<'_>) -> String {
    if files.len() < 2 {
        return "make files of it with some of its items each, and import them one after the other"
            .to_owned();
    }
    let shell = &context.print.shell;
    let each = files.iter().map(|file| {
        let file = file.display().to_string();
        shell.command("import", &[&file])
    });
    let each: Vec<String> = each.collect();
    format!(
        "one import for each file, in this order: {}",
        each.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::cli;
    use crate::ports::Ports;

    /// Runs the program; gives its exit status and what it says of errors.
    fn run(store: &Path, args: &[&str]) -> (u8, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let words = ["phaselog", "-s", store.to_str().unwrap()].into_iter();
        let words = words.chain(args.iter().copied()).map(Into::into);
        let exit = cli::run(words, &Ports::real(), &mut out, &mut err);
        (exit, String::from_utf8(err).unwrap())
    }

    fn write(path: &Path, text: &str) {
        let file = Ports::real().disk.create_new(path).unwrap();
        file.write_full_at(0, text.as_bytes()).unwrap();
    }

    /// A list of objects with so many bytes in all, each of an item.
    fn objects(bytes: usize, (address, street): (&str, &str), more: &str) -> String {
        let (each, note) = (50_000, "x".repeat(50_000));
        let mut text = String::new();
        for item in 0..bytes / each {
            let comma = if item == 0 { "" } else { "," };
            let _ = write!(
                text,
                "{comma}{{\"{address}\":\"{item} N {street} St\"{more},\"note\":\"{note}\"}}"
            );
        }
        text
    }

    #[test]
    fn what_is_too_much_at_once_is_taken_in_file_by_file() {
        let lab = tempfile::tempdir().unwrap();
        let (store, from) = (lab.path().join("store"), lab.path().join("from"));
        Ports::real().disk.create_dir(&from).unwrap();
        let (root, data) = (
            from.join("work_items.json"),
            from.join("enrichment_data.json"),
        );
        let phases = r#","phases":{"p":{"status":"pending"}}"#;
        let items = objects(5 << 20, ("address", "Example"), phases);
        write(&root, &format!("{{\"work_items\":[{items}]}}"));
        write(
            &data,
            &format!("[{}]", objects(5 << 20, ("full_address", "Example"), "")),
        );
        // A store that begins with them takes more.
        assert_eq!(run(&store, &["init", "--phase", "p", "another"]).0, 0);
        let (exit, said) = run(&store, &["import", from.to_str().unwrap()]);
        assert_eq!(exit, 1, "{said}");
        let import = |file: &Path| {
            let (store, file) = (store.display(), file.display());
            format!("phaselog -s {store} import {file}")
        };
        let hint = format!(
            "hint: one import for each file, in this order: {}; {}\n",
            import(&root),
            import(&data)
        );
        assert!(said.contains("what is recorded at once"), "{said}");
        assert!(said.ends_with(&hint), "{said}");
        for file in [&root, &data] {
            let (exit, said) = run(&store, &["import", file.to_str().unwrap()]);
            assert_eq!(exit, 0, "{said}");
        }
        let large = lab.path().join("large.json");
        write(
            &large,
            &format!("[{}]", objects(9 << 20, ("full_address", "Sample"), "")),
        );
        let (exit, said) = run(&store, &["import", large.to_str().unwrap()]);
        assert_eq!(exit, 1, "{said}");
        let hint = "hint: make files of it with some of its items each";
        assert!(said.contains(hint), "{said}");
    }

    #[test]
    fn the_first_text_that_is_too_long_is_found_where_it_begins() {
        let found = |text: &str, limit| longer_than(limit, &mut text.as_bytes()).unwrap();
        let text = "[{\"ä\": \"ab\\\"c\"},\n {\"x\": \"abcdefgh\"}]";
        let wanted = |line, column, bytes| {
            Some(Text {
                line,
                column,
                bytes,
            })
        };
        assert_eq!(found(text, 4), wanted(1, 8, 5));
        assert_eq!(found(text, 5), wanted(2, 8, 8));
        assert_eq!(found(text, 8), None);
        // One that never ends, and one across blocks.
        assert_eq!(found("[\n\"abcdef", 5), wanted(2, 1, 6));
        let long = format!("{{\"k\":\"{}\"}}", "x".repeat(3 << 20));
        assert_eq!(found(&long, 1 << 20), wanted(1, 6, 3 << 20));
    }
}
