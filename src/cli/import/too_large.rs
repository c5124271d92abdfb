//! Why a file is too large to be read: the place of the text in it that is longer than any record. And what to do where files
//! have more than is recorded at once.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::snapshot::set;

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
pub(super) fn in_parts(paths: &[PathBuf], context: &Context<'_>) -> String {
    let disk = &*context.ports.disk;
    let known = |dir: &Path| -> Vec<PathBuf> {
        let files = set::names().map(|name| dir.join(name));
        files
            .filter(|file| disk.exists(file).unwrap_or(false))
            .collect()
    };
    let files = paths.iter().flat_map(|path| match disk.list(path) {
        Ok(_) => known(path),
        Err(_) => vec![path.clone()],
    });
    let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
    if files.len() < 2 {
        return "make files of it with some of its items each, and import them one after the other"
            .to_owned();
    }
    let shell = &context.print.shell;
    let each = files.iter().map(|file| shell.command("import", &[file]));
    let each: Vec<String> = each.collect();
    format!(
        "one import for each file, in this order: {}",
        each.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
