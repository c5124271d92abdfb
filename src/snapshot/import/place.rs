//! From a byte of a text to the line and column that an editor shows for it.

/// How many bytes lie between two marks, and so how far a look-up has to count.
const STRIDE: usize = 4096;

/// A text with marks in it, so that places near the end of a long line are found without counting from its start.
pub(super) struct Places<'a> {
    text: &'a str,
    marks: Vec<Mark>,
}

/// A byte whose place is known.
#[derive(Clone, Copy)]
struct Mark {
    offset: usize,
    place: Place,
}

/// Line and column, both counted from 1; the column counts characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut place = Place { line: 1, column: 1 };
        let mut marks = vec![Mark { offset: 0, place }];
        let mut next = STRIDE;
        for (offset, character) in text.char_indices() {
            if offset >= next {
                marks.push(Mark { offset, place });
                next = offset + STRIDE;
            }
            place.step(character);
        }
        Self { text, marks }
    }

    /// The place of the character that begins at `offset`; past the end it is the place behind the last character.
    pub(super) fn of(&self, offset: usize) -> Place {
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        let mark = self.marks[after.saturating_sub(1)];
        let mut place = mark.place;
        for (step, character) in self.text[mark.offset..].char_indices() {
            if mark.offset + step >= offset {
                break;
            }
            place.step(character);
        }
        place
    }
}

impl Place {
    fn step(&mut self, character: char) {
        if character == '\n' {
            (self.line, self.column) = (self.line + 1, 1);
        } else {
            self.column += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, offset: usize) -> (usize, usize) {
        let place = Places::new(text).of(offset);
        (place.line, place.column)
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(place("äöü x", "äöü ".len()), (1, 5));
    }

    #[test]
    fn windows_lines_count_once() {
        assert_eq!(place("{\r\n  x\r\n}", 5), (2, 3));
        assert_eq!(place("{\r\n  x\r\n}", 8), (3, 1));
    }

    #[test]
    fn past_the_end_is_behind_the_last_character() {
        assert_eq!(place("ab\nc", 99), (2, 2));
        assert_eq!(place("", 0), (1, 1));
    }

    #[test]
    fn a_long_line_is_counted_right_across_the_marks() {
        let text = format!("{}\n{}x", "ä".repeat(5_000), "é".repeat(9_000));
        assert_eq!(place(&text, text.len() - 1), (2, 9_001));
        assert_eq!(place(&text, 9_998), (1, 5_000));
    }
}
