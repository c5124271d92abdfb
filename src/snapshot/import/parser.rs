//! Reads JSON strictly, and says where it is none.
//!
//! `serde_json` takes the last of two equal keys without a word and forgets where a value stood. What other programs
//! wrote is to be reported with line and column, so the importer reads it with its own small parser.

use std::borrow::Cow;
use std::collections::HashMap;

use super::tree::{Bad, Field, Node, Value};

/// How deep objects and lists may stand in each other. `serde_json` reads 128 levels, and an imported value comes to
/// stand a few levels deeper in our own files.
const MAX_DEPTH: usize = 100;

/// Objects with fewer fields are searched field by field.
const FEW: usize = 16;

/// What stays of an object or a list when something in it cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Nothing: half of it must not look whole.
    Nothing,
    /// The whole fields before the damage, and of those that hold items the whole items.
    Document,
    /// The whole elements before the damage.
    Elements,
}

/// Reads a text that is one JSON document and nothing else. `each` is given each element of the fields in `containers`,
/// which are left as [`Value::Later`].
pub(super) fn parse<'a>(
    text: &'a str,
    containers: &[&str],
    each: &mut dyn FnMut(&Node<'a>),
) -> Result<Node<'a>, Bad> {
    Parser::new(text, containers, Some(each)).document(Keep::Nothing)
}

/// As [`parse`], of as much as there is before the damage: the document's whole fields, and of the fields in `containers`
/// the whole elements. `None` where not even the document's beginning can be read.
pub(super) fn parse_before_damage<'a>(
    text: &'a str,
    containers: &[&str],
    each: &mut dyn FnMut(&Node<'a>),
) -> (Option<Node<'a>>, Option<Bad>) {
    let mut parser = Parser::new(text, containers, Some(each));
    match parser.document(Keep::Document) {
        Ok(node) => (Some(node), parser.damage),
        Err(bad) => (None, Some(bad)),
    }
}

/// Reads an element again that was left as [`Value::Later`].
pub(super) fn again<'a>(text: &'a str, node: &Node<'_>) -> Node<'a> {
    let mut parser = Parser::new(text, &[], None);
    parser.at = node.at;
    parser.value(Keep::Nothing).expect("it was read before")
}

/// A part of a document that is looked at alone: an element of a list, or a field of an object.
pub(super) struct Element<'a> {
    pub(super) key: Option<Cow<'a, str>>,
    pub(super) at: usize,
    pub(super) node: Node<'a>,
}

/// Reads a document part by part, so that only one is in memory as a tree; ends early when `take` returns false. What
/// was taken before an error stands before the damage.
pub(super) fn each<'a>(text: &'a str, take: impl FnMut(Element<'a>) -> bool) -> Result<(), Bad> {
    each_known(text, |_| true, take)
}

/// As [`each`], and `knows` is told each key before its value is read: so it hears of one whose value is damaged, too,
/// and a large value that nobody needs is not read. Ends early when it returns false.
pub(super) fn each_known<'a>(
    text: &'a str,
    mut knows: impl FnMut(&str) -> bool,
    mut take: impl FnMut(Element<'a>) -> bool,
) -> Result<(), Bad> {
    let mut parser = Parser::new(text, &[], None);
    parser.skip_space();
    let (end, is_object) = match parser.peek() {
        None => return Err(parser.bad("the file is empty")),
        Some(b'{') => (b'}', true),
        Some(b'[') => (b']', false),
        Some(_) => return Err(parser.unexpected("a list or an object")),
    };
    parser.open.push(parser.at);
    parser.at += 1;
    parser.skip_space();
    let mut keys: HashMap<Cow<'a, str>, usize> = HashMap::new();
    let mut goes_on = !parser.take(end);
    while goes_on {
        parser.skip_space();
        let at = parser.at;
        let (key, node) = if is_object {
            let key = parser.key()?;
            if let Some(first) = keys.insert(key.clone(), at) {
                return Err(twice(&key, at, first));
            }
            if !knows(&key) {
                return Ok(());
            }
            (Some(key), parser.value(Keep::Nothing)?)
        } else {
            (None, parser.value(Keep::Nothing)?)
        };
        if !take(Element { key, at, node }) {
            return Ok(());
        }
        goes_on = parser.comma_or(end)?;
    }
    parser.open.pop();
    parser.skip_space();
    match parser.peek() {
        None => Ok(()),
        Some(b'{' | b'[') => Err(parser.bad("a second document begins here")),
        Some(_) => Err(parser.unexpected("the end of the file")),
    }
}

fn twice(key: &str, at: usize, first: usize) -> Bad {
    let message = format!("key {key:?} stands twice in one object");
    let other = Some(("the first is at", first));
    Bad { at, message, other }
}

/// Who is given elements.
type Each<'a, 'c> = &'c mut dyn FnMut(&Node<'a>);

pub(super) struct Parser<'a, 'c> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Where the objects, lists and texts begin that are open here.
    pub(super) open: Vec<usize>,
    /// The fields of the document that hold items.
    containers: &'c [&'c str],
    /// Who is given their elements.
    each: Option<Each<'a, 'c>>,
    /// What is read just now stands in one of them.
    in_container: bool,
    /// Where reading ended early, if it did and something was kept.
    damage: Option<Bad>,
}

impl<'a, 'c> Parser<'a, 'c> {
    fn new(text: &'a str, containers: &'c [&'c str], each: Option<Each<'a, 'c>>) -> Self {
        let (at, open, damage) = (0, Vec::new(), None);
        Self {
            text,
            at,
            open,
            containers,
            each,
            in_container: false,
            damage,
        }
    }

    /// Gives away an element of a container that was read; the place where it stands stays.
    fn give(&mut self, mut node: Node<'a>) -> Node<'a> {
        // The document, and the container in it.
        if let (true, 2, Some(each)) = (self.in_container, self.open.len(), &mut self.each) {
            each(&node);
            node.value = Value::Later;
        }
        node
    }

    fn document(&mut self, keep: Keep) -> Result<Node<'a>, Bad> {
        self.skip_space();
        if self.peek().is_none() {
            return Err(self.bad("the file is empty"));
        }
        let node = self.value(keep)?;
        self.skip_space();
        if self.damage.is_none() && self.peek().is_some() {
            let bad = match self.peek() {
                Some(b'{' | b'[') => self.bad("a second document begins here"),
                _ => self.unexpected("the end of the file"),
            };
            if keep == Keep::Nothing {
                return Err(bad);
            }
            self.damage = Some(bad);
        }
        Ok(node)
    }

    fn value(&mut self, keep: Keep) -> Result<Node<'a>, Bad> {
        self.skip_space();
        let at = self.at;
        let value = match self.peek() {
            Some(b'{') => Value::Object(self.nested(|this| this.object(keep))?),
            Some(b'[') => Value::List(self.nested(|this| this.list(keep))?),
            Some(b'"') => Value::Text(self.string()?),
            Some(b't') => self.literal("true", Value::Bool)?,
            Some(b'f') => self.literal("false", Value::Bool)?,
            Some(b'n') => self.literal("null", Value::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ if ["NaN", "Infinity"]
                .iter()
                .any(|word| self.rest().starts_with(word)) =>
            {
                return Err(self.bad("NaN and Infinity, as Python writes them, are no JSON"));
            }
            _ => return Err(self.unexpected("a value")),
        };
        let end = self.at;
        Ok(Node { at, end, value })
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Bad>) -> Result<T, Bad> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.bad(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(self.at);
        self.at += 1;
        let result = read(self)?;
        self.open.pop();
        Ok(result)
    }

    fn object(&mut self, keep: Keep) -> Result<Vec<Field<'a>>, Bad> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut seen: HashMap<Cow<'a, str>, usize> = HashMap::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(fields);
        }
        loop {
            match self.field(keep, &fields, &mut seen) {
                Ok(field) => fields.push(field),
                Err(bad) => return self.give_up(keep, bad, fields),
            }
            if self.damage.is_some() {
                return Ok(fields);
            }
            match self.comma_or(b'}') {
                Ok(true) => {}
                Ok(false) => return Ok(fields),
                Err(bad) => return self.give_up(keep, bad, fields),
            }
        }
    }

    fn field(
        &mut self,
        keep: Keep,
        fields: &[Field<'a>],
        seen: &mut HashMap<Cow<'a, str>, usize>,
    ) -> Result<Field<'a>, Bad> {
        self.skip_space();
        let at = self.at;
        let key = self.key()?;
        let first = if fields.len() < FEW {
            let same = |field: &&Field<'a>| field.key == key;
            fields.iter().find(same).map(|field| field.at)
        } else {
            if seen.is_empty() {
                seen.extend(fields.iter().map(|field| (field.key.clone(), field.at)));
            }
            seen.insert(key.clone(), at)
        };
        if let Some(first) = first {
            return Err(twice(&key, at, first));
        }
        let is_container = self.open.len() == 1 && self.containers.contains(&&*key);
        let inside = match keep {
            Keep::Document if is_container => Keep::Elements,
            _ => Keep::Nothing,
        };
        let before = self.in_container;
        self.in_container |= is_container;
        let node = self.value(inside);
        self.in_container = before;
        let node = self.give(node?);
        Ok(Field { at, key, node })
    }

    /// A key, and the colon behind it.
    fn key(&mut self) -> Result<Cow<'a, str>, Bad> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key"));
        }
        let key = self.string()?;
        self.skip_space();
        if !self.take(b':') {
            return Err(self.unexpected("`:`"));
        }
        Ok(key)
    }

    fn list(&mut self, keep: Keep) -> Result<Vec<Node<'a>>, Bad> {
        let mut nodes = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(nodes);
        }
        loop {
            match self.value(Keep::Nothing) {
                Ok(node) => {
                    let node = self.give(node);
                    nodes.push(node);
                }
                Err(bad) => return self.give_up(keep, bad, nodes),
            }
            match self.comma_or(b']') {
                Ok(true) => {}
                Ok(false) => return Ok(nodes),
                Err(bad) => return self.give_up(keep, bad, nodes),
            }
        }
    }

    /// Ends the reading with what there is, where something is to be kept.
    fn give_up<T>(&mut self, keep: Keep, bad: Bad, read: T) -> Result<T, Bad> {
        if keep == Keep::Nothing {
            return Err(bad);
        }
        self.damage = Some(bad);
        Ok(read)
    }

    /// True after a comma, false after the closing `end`.
    fn comma_or(&mut self, end: u8) -> Result<bool, Bad> {
        self.skip_space();
        if self.take(end) {
            return Ok(false);
        }
        let closing = char::from(end);
        if !self.take(b',') {
            return Err(self.unexpected(&format!("`,` or `{closing}`")));
        }
        self.skip_space();
        if self.peek() == Some(end) {
            return Err(self.bad(format!("`{closing}` right after a comma")));
        }
        Ok(true)
    }

    pub(super) fn rest(&self) -> &'a str {
        // Only ASCII is ever stepped over by single bytes, so this is a boundary.
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    pub(super) fn bad(&self, message: impl Into<String>) -> Bad {
        let (at, message, other) = (self.at, message.into(), None);
        Bad { at, message, other }
    }

    pub(super) fn unexpected(&self, expected: &str) -> Bad {
        let Some(found) = self.rest().chars().next() else {
            let mut bad = self.bad(format!("the file is cut off here, {expected} is missing"));
            bad.other = self.open.last().map(|&at| {
                let what = match self.text.as_bytes()[at] {
                    b'{' => "the object begins at",
                    b'[' => "the list begins at",
                    _ => "the text begins at",
                };
                (what, at)
            });
            return bad;
        };
        match found {
            '\0' => self.bad(format!(
                "a NUL byte instead of {expected}: the end of the file was probably lost in a crash"
            )),
            found if found.is_control() => {
                self.bad(format!("control character {found:?} instead of {expected}"))
            }
            found => self.bad(format!("`{found}` instead of {expected}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Node<'_>, Bad> {
        super::parse(text, &[], &mut |_| ())
    }

    fn bad(text: &str) -> (usize, String) {
        let bad = parse(text).unwrap_err();
        (bad.at, bad.message)
    }

    #[test]
    fn values_know_where_they_stand() {
        let text = r#"{"a": [1, "x\n\u00e9\ud83d\ude00"], "b": null}"#;
        let root = parse(text).unwrap();
        let list = root.get("a").unwrap();
        assert_eq!(&text[list.at..list.end], r#"[1, "x\n\u00e9\ud83d\ude00"]"#);
        assert_eq!(list.list().unwrap()[1].text(), Some("x\né😀"));
        assert!(root.get("b").unwrap().is_null());
    }

    #[test]
    fn what_is_no_json_is_refused_at_its_place() {
        let cases = [
            ("", 0, "the file is empty"),
            (" \n", 2, "the file is empty"),
            (r#"{"a":1,}"#, 7, "`}` right after a comma"),
            (r#"{"a" 1}"#, 5, "`1` instead of `:`"),
            (r#"{"a":1 "b":2}"#, 7, "`\"` instead of `,` or `}`"),
            ("{a:1}", 1, "`a` instead of a key"),
            ("[01]", 2, "`1` instead of the end of the number"),
            ("[1.]", 3, "`]` instead of a digit"),
            ("[tru]", 1, "`t` instead of a value"),
            (
                "[NaN]",
                1,
                "NaN and Infinity, as Python writes them, are no JSON",
            ),
            (r#"["\x"]"#, 2, "a backslash that begins no escape of JSON"),
            (
                r#"["\ud83d"]"#,
                2,
                "half of a surrogate pair, which is no character",
            ),
            (r#"["\u00g0"]"#, 2, "`\\u` without four hex digits"),
            (
                "[\"a\nb\"]",
                3,
                "control character '\\n' instead of `\"` or an escape",
            ),
            ("{} {}", 3, "a second document begins here"),
            ("{} x", 3, "`x` instead of the end of the file"),
            (
                "{}\0\0",
                2,
                "a NUL byte instead of the end of the file: the end of the file was probably lost in a crash",
            ),
        ];
        for (text, at, message) in cases {
            assert_eq!(bad(text), (at, message.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_cut_names_what_was_open() {
        let bad = parse(r#"{"a": [1, {"b": "tex"#).unwrap_err();
        assert_eq!(bad.at, 20);
        assert_eq!(bad.other, Some(("the text begins at", 16)));
        let bad = parse(r#"{"a": [1, {"b": 2"#).unwrap_err();
        assert_eq!(bad.other, Some(("the object begins at", 10)));
    }

    #[test]
    fn a_key_that_stands_twice_is_found_in_small_and_large_objects() {
        let bad = parse(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap_err();
        assert_eq!((bad.at, bad.other), (13, Some(("the first is at", 1))));
        let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(parse(&format!("{{{}}}", many.join(","))).is_ok());
        let twice = format!("{{{},\"k3\":0}}", many.join(","));
        assert!(parse(&twice).unwrap_err().message.contains("k3"));
        let twice = format!("{{{},\"k30\":0}}", many.join(","));
        assert!(parse(&twice).unwrap_err().message.contains("k30"));
    }

    #[test]
    fn ten_thousand_levels_are_refused() {
        for open in ["[", "{\"a\":"] {
            let (_, message) = bad(&open.repeat(10_000));
            assert_eq!(message, "nested deeper than 100 levels");
        }
    }

    #[test]
    fn what_parses_here_parses_in_serde_json() {
        for text in [
            "-0",
            "1E5",
            "0.90",
            "[]",
            "{}",
            r#""\/""#,
            "12345678901234567890123",
        ] {
            assert!(parse(text).is_ok(), "{text}");
            assert!(
                serde_json::from_str::<serde_json::Value>(text).is_ok(),
                "{text}"
            );
        }
    }

    #[test]
    fn before_the_damage_only_whole_elements_count() {
        let text = r#"{"session":{"a":1},"work_items":[{"n":1},{"n":2},{"n":"#;
        let (node, damage) = parse_before_damage(text, &["work_items"], &mut |_| ());
        let node = node.unwrap();
        assert_eq!(node.get("work_items").unwrap().list().unwrap().len(), 2);
        assert_eq!(damage.unwrap().at, text.len());
        let text = r#"{"properties":{"x":{"n":1},"y":{"n":1,"n":2}},"session":{}}"#;
        let (node, damage) = parse_before_damage(text, &["properties"], &mut |_| ());
        let node = node.unwrap();
        assert_eq!(node.get("properties").unwrap().fields().unwrap().len(), 1);
        assert!(damage.unwrap().message.contains("twice"));
        let text = r#"{"session":{"a":1,"#;
        let (node, damage) = parse_before_damage(text, &["properties"], &mut |_| ());
        assert_eq!(node.unwrap().fields().unwrap().len(), 0);
        assert!(damage.is_some());
    }
    #[test]
    fn items_are_read_through_and_read_again() {
        for text in [
            r#"{"a":[{"n":1}], "items":[{"n":1},{"items":[2]}, 7], "b":{"items":[3]}}"#,
            r#"{"items": {"x": {"n":1}, "y":{"items":{"z":1}},"z" :7}, "b":null}"#,
        ] {
            let mut given = Vec::new();
            let mut each = |node: &Node<'_>| given.push(text[node.at..node.end].to_owned());
            let root = super::parse(text, &["items"], &mut each).unwrap();
            assert_eq!(given.len(), 3, "{given:?}");
            assert_eq!((&*given[0], &*given[2]), (r#"{"n":1}"#, "7"));
            let items = root.get("items").unwrap();
            let fields = items.fields().unwrap_or_default().iter();
            let list = items.list().unwrap_or_default().iter();
            let all: Vec<&Node<'_>> = list.chain(fields.map(|field| &field.node)).collect();
            let later = |node: &&&Node<'_>| matches!(node.value, Value::Later);
            assert_eq!(all.iter().filter(later).count(), 3);
            let first = again(text, all[0]);
            assert_eq!((first.at, first.end), (all[0].at, all[0].end));
            let number = first.get("n").unwrap();
            assert_eq!(&text[number.at..number.end], "1");
            let b = root.get("b").unwrap();
            assert!(b.is_null() || b.get("items").unwrap().list().is_some());
        }
    }
}
