//! From the bytes of a file to its text.

use super::tree::Bad;

/// What the bytes 0x80 to 0x9f are in Windows-1252; U+FFFD where they are nothing.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
    '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}',
    'ž', 'Ÿ',
];

/// The byte order mark of UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of a file, up to the first byte that is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded<'a> {
    /// The text, without a byte order mark.
    pub(super) text: &'a str,
    /// A byte order mark stood before it.
    pub(super) has_mark: bool,
    /// Why the text ends before the bytes do.
    pub(super) bad: Option<Bad>,
}

/// Reads bytes as UTF-8.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let (bytes, has_mark) = match bytes.strip_prefix(MARK) {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    let (valid, error) = match std::str::from_utf8(bytes) {
        Ok(text) => {
            return Decoded {
                text,
                has_mark,
                bad: None,
            };
        }
        Err(error) => (error.valid_up_to(), error),
    };
    let (before, after) = bytes.split_at(valid);
    let message = match after {
        _ if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") => {
            "UTF-16, but JSON is UTF-8: save the file as UTF-8".to_owned()
        }
        _ if error.error_len().is_none() => {
            "the file is cut off here, in the middle of a character".to_owned()
        }
        [byte, ..] => match windows_1252(*byte) {
            '\u{fffd}' => format!("byte 0x{byte:02x} is no UTF-8"),
            character => format!(
                "byte 0x{byte:02x} is no UTF-8; in Windows-1252 it is `{character}`: save the file as UTF-8"
            ),
        },
        [] => "no UTF-8".to_owned(),
    };
    let text = std::str::from_utf8(before).unwrap_or_default();
    let bad = Some(Bad {
        at: text.len(),
        message,
        other: None,
    });
    Decoded {
        text,
        has_mark,
        bad,
    }
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_windows_1252_are_named() {
        let decoded = decode(b"{\"note\":\"don\x92t\"}");
        assert_eq!(decoded.text, "{\"note\":\"don");
        let message = decoded.bad.unwrap().message;
        assert!(message.starts_with("byte 0x92 is no UTF-8; in Windows-1252 it is `’`"));
        let message = decode(b"caf\xe9\"").bad.unwrap().message;
        assert!(message.contains("`é`"), "{message}");
    }

    #[test]
    fn a_mark_before_the_text_is_no_part_of_it() {
        let decoded = decode(b"\xef\xbb\xbf{}");
        assert_eq!(
            (decoded.text, decoded.has_mark, decoded.bad),
            ("{}", true, None)
        );
    }

    #[test]
    fn utf_16_and_half_characters_are_told_apart() {
        let message = |bytes| decode(bytes).bad.unwrap().message;
        assert!(message(b"\xff\xfe{\0}\0").starts_with("UTF-16"));
        assert!(message(b"\"caf\xc3").ends_with("in the middle of a character"));
    }
}
