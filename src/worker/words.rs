//! The command for one piece of work: placeholders filled, variables set.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::ports::Program;

use super::outcome::Piece;

/// The command of `words` for that piece of work.
pub(super) fn program(
    words: &[OsString],
    piece: &Piece,
    worker: Option<&str>,
    store: &Path,
) -> Program {
    let (item, phase) = (piece.item.as_str(), piece.phase.as_str());
    let words = words.iter().map(|word| filled(word, item, phase));
    let store = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
    let mut env = vec![
        ("PHASELOG_ITEM".to_owned(), item.into()),
        ("PHASELOG_PHASE".to_owned(), phase.into()),
        ("PHASELOG_TOKEN".to_owned(), piece.token.to_string().into()),
        ("PHASELOG_STORE".to_owned(), store.into()),
    ];
    if let Some(worker) = worker {
        env.push(("PHASELOG_WORKER".to_owned(), worker.into()));
    }
    Program {
        words: words.collect(),
        env,
    }
}

/// True if the word stays as it is, whatever the piece of work.
pub(super) fn is_fixed(word: &OsStr) -> bool {
    filled(word, "", "") == word
}

/// Replaces in one pass: an item that has `{phase}` in its name keeps it. A word that is no UTF-8 stays as it is.
fn filled(word: &OsStr, item: &str, phase: &str) -> OsString {
    let Some(mut rest) = word.to_str() else {
        return word.to_owned();
    };
    let mut text = String::with_capacity(rest.len());
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (value, after) = if let Some(after) = rest.strip_prefix("{item}") {
            (item, after)
        } else if let Some(after) = rest.strip_prefix("{phase}") {
            (phase, after)
        } else {
            ("{", &rest[1..])
        };
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_one_pass() {
        let filled = |word: &str| filled(word.as_ref(), "1 {phase} $(x)", "list");
        assert_eq!(filled("{item}/{phase}.json"), "1 {phase} $(x)/list.json");
        assert_eq!(filled("{item}{item}"), "1 {phase} $(x)1 {phase} $(x)");
        for same in ["", "{", "{}", "{items}", "{ITEM}", "{item", "plain", "é{"] {
            assert_eq!(filled(same), same);
            assert!(is_fixed(same.as_ref()));
        }
        assert_eq!(filled("{{item}}"), "{1 {phase} $(x)}");
        assert!(!is_fixed("{{item}}".as_ref()));
    }
}
