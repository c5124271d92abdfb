//! The text of one JSON object, member by member: what is not touched keeps its bytes and its place.

use std::borrow::Cow;

use super::json::{Json, end_of_text};

/// The members of an object, in order. Values stay text until something in them is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Part<'a>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Opened(Members<'a>),
}

impl<'a> Members<'a> {
    /// The members of a compact text as [`Json`] holds it; `None` if it is no object.
    pub fn of(text: &'a str) -> Option<Self> {
        let mut rest = text.strip_prefix('{')?;
        let mut members = Vec::new();
        while rest.starts_with('"') {
            let (key, behind) = rest.split_at(end_of_text(rest));
            let (value, behind) = behind
                .strip_prefix(':')?
                .split_at(end_of_value(&behind[1..]));
            members.push((plain(key), Part::Text(value)));
            rest = behind.strip_prefix(',').unwrap_or(behind);
        }
        (rest == "}").then_some(Self(members))
    }

    /// Members with these texts, each of them compact JSON.
    pub fn from_texts(all: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            all.map(|(key, text)| (Cow::Borrowed(key), Part::Text(text)))
                .collect(),
        )
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each key with the text of its value, in order. Nothing may have been changed yet.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().filter_map(|(key, part)| match part {
            Part::Text(text) => Some((&**key, *text)),
            Part::Opened(_) => None,
        })
    }

    /// The text of a key's value. Nothing below it may have been changed yet.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.iter()
            .find(|(own, _)| *own == key)
            .map(|(_, text)| text)
    }

    /// Sets what stands at the end of a path, or takes it away. What stands in the way and is no object gives way to
    /// one; what is new comes last.
    pub fn set(&mut self, path: &[Cow<'_, str>], value: Option<&'a str>) {
        let Some((key, deeper)) = path.split_first() else {
            return;
        };
        let at = self.0.iter().position(|(own, _)| own == key);
        if deeper.is_empty() {
            match (at, value) {
                (Some(at), Some(value)) => self.0[at].1 = Part::Text(value),
                (Some(at), None) => drop(self.0.remove(at)),
                (None, Some(value)) => self.push(key, Part::Text(value)),
                (None, None) => {}
            }
            return;
        }
        let at = match (at, value) {
            (Some(at), _) => at,
            // Nothing is there that could be taken away.
            (None, None) => return,
            (None, Some(_)) => {
                self.push(key, Part::Opened(Self::default()));
                self.0.len() - 1
            }
        };
        if let Part::Text(text) = self.0[at].1 {
            match (Self::of(text), value) {
                (Some(inner), _) => self.0[at].1 = Part::Opened(inner),
                (None, Some(_)) => self.0[at].1 = Part::Opened(Self::default()),
                (None, None) => return,
            }
        }
        if let Part::Opened(inner) = &mut self.0[at].1 {
            inner.set(deeper, value);
        }
    }

    /// Takes a member away, if it is there.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(own, _)| own != key);
    }

    /// Keeps the members of which `keep` is true, by key and text. Nothing may have been changed yet.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.0.retain(|(key, part)| match part {
            Part::Text(text) => keep(key, text),
            Part::Opened(_) => true,
        });
    }

    /// Puts a member before the one at that place, or behind all.
    pub fn insert(&mut self, at: usize, key: &str, value: &'a str) {
        let at = at.min(self.0.len());
        self.0
            .insert(at, (Cow::Owned(key.to_owned()), Part::Text(value)));
    }

    fn push(&mut self, key: &str, part: Part<'a>) {
        self.0.push((Cow::Owned(key.to_owned()), part));
    }

    /// The object they make.
    pub fn to_json(&self) -> Json {
        let mut text = String::new();
        self.write(&mut text);
        Json::from_compact(text)
    }

    fn write(&self, text: &mut String) {
        text.push('{');
        for (index, (key, part)) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(key).expect("a text is plain JSON"));
            text.push(':');
            match part {
                Part::Text(value) => text.push_str(value),
                Part::Opened(inner) => inner.write(text),
            }
        }
        text.push('}');
    }
}

/// The elements of a compact text that is a list; none of any other.
pub(super) fn elements(text: &str) -> Vec<&str> {
    let inside = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let (mut rest, mut elements) = (inside.unwrap_or_default(), Vec::new());
    while !rest.is_empty() {
        let (element, behind) = rest.split_at(end_of_value(rest));
        elements.push(element);
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    elements
}

/// A key without its quotes.
fn plain(quoted: &str) -> Cow<'_, str> {
    let inside = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .expect("a key stands in quotes");
    if inside.contains('\\') {
        Cow::Owned(serde_json::from_str(quoted).expect("a Json was looked through"))
    } else {
        Cow::Borrowed(inside)
    }
}

/// Where the value that compact JSON begins with ends.
fn end_of_value(json: &str) -> usize {
    let (bytes, mut at, mut depth) = (json.as_bytes(), 0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += end_of_text(&json[at..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => break,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, changes: &[(&[&str], Option<&str>)]) -> String {
        let mut members = Members::of(text).unwrap();
        for (path, value) in changes {
            let path: Vec<Cow<'_, str>> = path.iter().map(|key| Cow::Borrowed(*key)).collect();
            members.set(&path, *value);
        }
        members.to_json().to_string()
    }

    #[test]
    fn what_is_not_touched_keeps_its_bytes_and_place() {
        let text = r#"{"z":0.90,"a":{"b":[1,{"c":"},\""}],"d":1E5},"é\n":null,"t":true}"#;
        assert_eq!(changed(text, &[]), text);
        assert_eq!(
            changed(
                text,
                &[
                    (&["a", "d"], Some("2")),
                    (&["z"], None),
                    (&["new", "x"], Some("[]"))
                ]
            ),
            r#"{"a":{"b":[1,{"c":"},\""}],"d":2},"é\n":null,"t":true,"new":{"x":[]}}"#
        );
        let nothing: &[(&[&str], _)] = &[(&["z", "q"], None), (&["no", "q"], None)];
        assert_eq!(changed(text, nothing), text);
        assert_eq!(
            changed(text, &[(&["é\n"], Some("1"))]),
            text.replace("null", "1")
        );
    }

    #[test]
    fn a_list_has_elements() {
        let text = r#"[1,"a,]",{"b":[2,3]},[],[4,[5]]]"#;
        let wanted = ["1", "\"a,]\"", r#"{"b":[2,3]}"#, "[]", "[4,[5]]"];
        assert_eq!(elements(text), wanted);
        assert!(elements("[]").is_empty() && elements("{}").is_empty());
    }

    #[test]
    fn only_objects_have_members() {
        for text in ["[]", "1", "\"{\"", "null"] {
            assert_eq!(Members::of(text), None);
        }
        assert!(Members::of("{}").unwrap().is_empty());
        let members = Members::of(r#"{"a":{"x":1},"b":[2,3]}"#).unwrap();
        let all: Vec<_> = members.iter().collect();
        assert_eq!(all, [("a", r#"{"x":1}"#), ("b", "[2,3]")]);
        assert_eq!(members.get("b"), Some("[2,3]"));
        assert_eq!(members.get("c"), None);
    }
}
