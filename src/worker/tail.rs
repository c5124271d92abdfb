//! The end of what a command wrote to standard error: its error.

/// Keeps the last bytes of a stream.
#[derive(Debug)]
pub(super) struct Tail {
    most: usize,
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// Keeps so many bytes.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            bytes: Vec::new(),
            cut: false,
        }
    }

    /// Takes what was written.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let from = bytes.len().saturating_sub(self.most);
        self.cut |= from > 0;
        self.bytes.extend_from_slice(&bytes[from..]);
        // Not at each write: moving what is kept costs as much as keeping it.
        if self.bytes.len() > 2 * self.most {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let over = self.bytes.len().saturating_sub(self.most);
        self.cut |= over > 0;
        self.bytes.drain(..over);
    }

    /// The end as text: whole lines if a line ends in what is kept, else whole characters. What is no UTF-8 becomes
    /// U+FFFD; where something was left out stands `…`.
    pub(super) fn text(mut self) -> String {
        self.trim();
        let blank = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_whitespace);
        let mut kept = self.bytes.as_slice();
        let mut mark = "";
        if self.cut && !blank(kept) {
            let line_end = memchr::memchr(b'\n', kept).filter(|&at| !blank(&kept[at..]));
            (kept, mark) = match line_end {
                Some(at) => (&kept[at + 1..], "…\n"),
                None => (&kept[inside_of_character(kept)..], "…"),
            };
        }
        let text = String::from_utf8_lossy(kept);
        let text = text.trim_end().trim_start_matches(['\n', '\r']);
        if text.is_empty() {
            return String::new();
        }
        format!("{mark}{text}")
    }
}

/// How many bytes at the beginning belong to a character that was cut: UTF-8 has at most three that follow the first.
fn inside_of_character(bytes: &[u8]) -> usize {
    let follows = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    let count = bytes.iter().take(4).take_while(follows).count();
    if count > 3 { 0 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(most: usize, written: &[&[u8]]) -> String {
        let mut tail = Tail::new(most);
        for bytes in written {
            tail.take(bytes);
        }
        tail.text()
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(kept(100, &[b"one\n", b"two\n\n"]), "one\ntwo");
        assert_eq!(kept(100, &[b"\n  at line 3\n"]), "  at line 3");
        assert_eq!(kept(100, &[b" \n"]), "");
        assert_eq!(kept(0, &[b"one"]), "");
        assert_eq!(kept(100, &[b"bad \xff byte"]), "bad \u{fffd} byte");
    }

    #[test]
    fn what_does_not_fit_loses_its_beginning() {
        assert_eq!(kept(9, &[b"first\nsecond\n"]), "…\nsecond");
        assert_eq!(kept(7, &[b"first\nsecond\n"]), "…second");
        assert_eq!(kept(10, &[b"first\nsecond\nx\n"]), "…\nsecond\nx");
        assert_eq!(kept(10, &[b"0123456789abcdef"]), "…6789abcdef");
        // Byte by byte or at once, it is the same.
        let long: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let single: Vec<&[u8]> = long.chunks(1).collect();
        for most in [1, 7, 100, 4_096] {
            assert_eq!(kept(most, &[&long]), kept(most, &single), "{most}");
        }
    }

    #[test]
    fn no_character_is_cut() {
        let text = "äöü€😀äöü€😀";
        for most in 1..text.len() {
            let kept = kept(most, &[text.as_bytes()]);
            let end = kept.strip_prefix('…').unwrap_or(&kept);
            assert!(text.ends_with(end), "{most}: {kept}");
        }
        // No text at all: nothing is left out but the beginning.
        assert_eq!(kept(5, &[&[0x80; 9]]), format!("…{}", "\u{fffd}".repeat(5)));
    }
}
