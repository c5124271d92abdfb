//! Output passed on in whole lines, so that those of several commands do not mix.

/// A line longer than this is passed on in parts, in bytes.
const MOST: usize = 1 << 20;

/// One stream of one command.
#[derive(Debug)]
pub(super) struct Lines {
    whole: bool,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

impl Lines {
    /// In whole lines, or as it comes.
    pub(super) const fn new(whole: bool) -> Self {
        Self {
            whole,
            rest: Vec::new(),
        }
    }

    /// Takes what was written and gives what is to be passed on.
    pub(super) fn take(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if !self.whole {
            return bytes;
        }
        match memchr::memrchr(b'\n', &bytes) {
            Some(last) => {
                let rest = bytes.split_off(last + 1);
                let mut lines = std::mem::replace(&mut self.rest, rest);
                lines.extend(bytes);
                lines
            }
            None if self.rest.len() + bytes.len() > MOST => {
                self.rest.extend(bytes);
                std::mem::take(&mut self.rest)
            }
            None => {
                self.rest.extend(bytes);
                Vec::new()
            }
        }
    }

    /// What is left when the command has ended, made a whole line.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            rest.push(b'\n');
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_passed_on_when_its_end_has_come() {
        let mut lines = Lines::new(true);
        assert_eq!(lines.take(b"a".to_vec()), b"");
        assert_eq!(lines.take(b"b\nc\nd".to_vec()), b"ab\nc\n");
        assert_eq!(lines.take(b"\n".to_vec()), b"d\n");
        assert_eq!(lines.finish(), b"");
        assert_eq!(lines.take(b"e".to_vec()), b"");
        assert_eq!(lines.finish(), b"e\n");
        assert_eq!(lines.take(vec![b'x'; MOST + 1]).len(), MOST + 1);
    }

    #[test]
    fn one_command_alone_writes_as_it_likes() {
        let mut lines = Lines::new(false);
        assert_eq!(lines.take(b"a".to_vec()), b"a");
        assert_eq!(lines.finish(), b"");
    }
}
