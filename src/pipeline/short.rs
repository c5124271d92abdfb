//! Values in sentences: as much of one as there is room for.

/// Characters of a value that a sentence shows.
const LONG: usize = 60;

/// A value as a sentence shows it.
pub fn short(text: &str) -> String {
    cut(text, LONG)
}

/// The first `most` characters of a text, with a mark where there are more.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert_eq!(cut("größe", 5), "größe");
        assert_eq!(cut("größe", 4), "größ…");
        assert_eq!(short(&"ß".repeat(60)).chars().count(), 60);
        assert_eq!(short(&"ß".repeat(61)).chars().count(), 61);
    }
}
