//! `enrichment_data.json` piece by piece: whole objects, as many as a block has, so that a large file is never in memory
//! as text.
//!
//! ```text
//!   [                        a piece is a list of its own: what stands before its first object
//!     { … },                 becomes the bracket that opens it, the comma behind its last the one
//!     { … }                  that closes it
//!   ]
//! ```
//!
//! An object, or in a dict a field, begins on a line of its own with two spaces; everything inside it has more.

use std::io::{self, Read};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// How a line begins with which an object or a field of the file begins or ends.
const LINE: &[u8] = b"\n  ";

/// A file on its way through memory.
pub(super) struct Pieces<'r> {
    from: &'r mut dyn Read,
    buffer: Vec<u8>,
    /// How much of the buffer was given out; the byte before it is there to be the bracket of the next piece.
    given: usize,
    /// The brackets of the file.
    brackets: [u8; 2],
    ended: bool,
}

impl<'r> Pieces<'r> {
    /// A list, or a dict, as [`super::encode`] writes it.
    pub(super) fn new(from: &'r mut dyn Read, is_list: bool) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            given: 0,
            brackets: if is_list { *b"[]" } else { *b"{}" },
            ended: false,
        }
    }

    /// The next piece, a document of its own; `None` at the end of the file. What is not laid out as we do it comes out
    /// as something that is no JSON.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if self.ended {
            return Ok(None);
        }
        let is_first = self.buffer.is_empty();
        // All but the byte that becomes a bracket.
        self.buffer.drain(..self.given.saturating_sub(1));
        let mut looked = LINE.len();
        loop {
            let read = self.fill()?;
            if read == 0 {
                self.ended = true;
                self.given = self.buffer.len();
                break;
            }
            if let Some(end) = last_beginning(&self.buffer, looked) {
                self.given = end;
                break;
            }
            looked = self.buffer.len().saturating_sub(LINE.len());
        }
        let [open, close] = self.brackets;
        if !is_first {
            self.buffer[0] = open;
        }
        if !self.ended {
            // The comma before the line that begins the next one.
            self.buffer[self.given - 1] = close;
        }
        Ok(Some(&self.buffer[..self.given]))
    }

    /// Reads another block; returns how much that was.
    fn fill(&mut self) -> io::Result<usize> {
        let before = self.buffer.len();
        let block = BLOCK as u64;
        (&mut *self.from)
            .take(block)
            .read_to_end(&mut self.buffer)?;
        Ok(self.buffer.len() - before)
    }
}

/// Where the last line begins that begins another object or field than the first: at the newline before it. Not before
/// `from`.
fn last_beginning(text: &[u8], from: usize) -> Option<usize> {
    let mut lines = memchr::memmem::rfind_iter(text, LINE);
    lines.find(|&at| {
        let begins = text
            .get(at + LINE.len())
            .is_some_and(|byte| !b" }]".contains(byte));
        begins && at >= from && text[at - 1] == b','
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, is_list: bool) -> Vec<String> {
        let mut from = text.as_bytes();
        let mut pieces = Pieces::new(&mut from, is_list);
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().unwrap() {
            all.push(String::from_utf8(piece.to_vec()).unwrap());
        }
        all
    }

    #[test]
    fn a_small_file_is_one_piece() {
        for text in ["[]\n", "[\n  {\n    \"a\": 1\n  }\n]\n"] {
            assert_eq!(pieces(text, true), [text]);
        }
    }

    #[test]
    fn the_pieces_of_a_large_file_have_all_its_objects() {
        for is_list in [true, false] {
            let object = |n: usize| {
                let key = if is_list {
                    String::new()
                } else {
                    format!("\"k{n}\": ")
                };
                // Texts that look like the end and the beginning of objects; and one that is longer than a block.
                let long = "x".repeat(if n == 7 { 3 * BLOCK } else { n % 5_000 });
                format!(
                    "  {key}{{\n    \"n\": {n},\n    \"t\": \"}},\\n  {{{long}\",\n    \"l\": [\n      1,\n      {{}}\n    ]\n  }}"
                )
            };
            let objects: Vec<String> = (0..2_000).map(object).collect();
            let [open, close] = if is_list { ["[", "]"] } else { ["{", "}"] };
            let text = format!("{open}\n{}\n{close}\n", objects.join(",\n"));
            let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
            let parts = pieces(&text, is_list);
            assert!(parts.len() > 3, "{}", parts.len());
            let mut numbers = Vec::new();
            for part in &parts {
                assert!(part.len() < 5 * BLOCK);
                match serde_json::from_str(part).unwrap() {
                    serde_json::Value::Array(all) => numbers.extend(all),
                    serde_json::Value::Object(all) => {
                        numbers.extend(all.into_iter().map(|it| it.1));
                    }
                    other => panic!("{other}"),
                }
            }
            let of_whole: Vec<_> = match whole {
                serde_json::Value::Array(all) => all,
                serde_json::Value::Object(all) => all.into_iter().map(|it| it.1).collect(),
                other => panic!("{other}"),
            };
            assert!(numbers == of_whole);
        }
    }
}
