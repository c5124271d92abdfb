//! How a JSON text is spelled where it says what another says: a file that a script has read and written again brings other
//! texts of the same numbers, and numbers of which a double has kept only the first digits.
//!
//! ```text
//!   known     {"rate":1.10,"list":[6,154.16666666666666666],"beds":2}
//!   theirs    {"rate":1.1,"list":[6.0,154.16666666666666],"beds":3}
//!   respelled {"rate":1.10,"list":[6,154.16666666666666666],"beds":3}     one number was rounded
//! ```

use std::borrow::Cow;
use std::collections::HashMap;

use super::json::{Extras, Json};
use super::members::{Members, elements};
use super::same::{both_same, same_number};

/// A number in a file that is what a double makes of the known one: whoever wrote it could not hold all of its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounded {
    /// Where it stands: keys of objects, with full stops between; empty for the value itself.
    pub at: String,
    /// The number in the file.
    pub found: String,
    /// The known one.
    pub stays: String,
}

/// Numbers that were rounded, as far as a sentence tells of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roundings {
    /// How many there are.
    pub count: usize,
    /// The first, behind where it stands.
    pub first: Option<(String, Rounded)>,
}

impl Roundings {
    /// Adds those of a value that stands in that field, or is no field's with an empty one. `place` says it in a sentence.
    pub fn add(&mut self, field: &str, rounded: &[Rounded], place: &dyn Fn(&str) -> String) {
        self.count += rounded.len();
        if let (None, Some(first)) = (&self.first, rounded.first()) {
            let path = joined(field, &first.at);
            self.first = Some((place(&path), first.clone()));
        }
    }

    /// Adds others.
    pub fn join(&mut self, others: Self) {
        self.count += others.count;
        self.first = self.first.take().or(others.first);
    }

    /// All of them in a sentence about this file; `None` if there are none.
    pub fn words(&self, file: &str) -> Option<String> {
        let (place, Rounded { found, stays, .. }) = self.first.as_ref()?;
        let count = self.count;
        Some(format!(
            "numbers that {file} has with the digits that a double holds: {count}, {place} is {found}, the store has {stays}; \
             that is no edit, and all digits stay"
        ))
    }
}

/// Unknown fields of a file, each spelled as the first of the `known` that has it, then as the next: what is the same in them
/// keeps its text. What was rounded is added to `roundings`, behind `place`.
pub fn respelled_fields<'e>(
    theirs: &'e Extras,
    known: &[&Extras],
    roundings: &mut Roundings,
    place: &dyn Fn(&str) -> String,
) -> Cow<'e, Extras> {
    let is_known = |key: &str, value: &Json| known.iter().any(|it| it.get(key) == Some(value));
    if theirs
        .iter()
        .all(|field| is_known(&field.key, &field.value))
    {
        return Cow::Borrowed(theirs);
    }
    let mut all = Extras::default();
    for field in theirs.iter() {
        let mut value = field.value.clone();
        for known in known.iter().filter_map(|it| it.get(&field.key)) {
            let (text, rounded) = respelled(&value, known);
            roundings.add(&field.key, &rounded, place);
            value = text;
        }
        all.push(&field.after, &field.key, value);
    }
    Cow::Owned(all)
}

/// `theirs`, with everything in it that says what `known` says spelled as it is there, and the numbers that were rounded.
pub fn respelled(theirs: &Json, known: &Json) -> (Json, Vec<Rounded>) {
    if theirs == known {
        return (theirs.clone(), Vec::new());
    }
    let mut rounded = Vec::new();
    let text = value(theirs.as_str(), known.as_str(), &mut rounded);
    (Json::from_compact(text), rounded)
}

fn value(theirs: &str, known: &str, rounded: &mut Vec<Rounded>) -> String {
    if theirs == known {
        return theirs.to_owned();
    }
    match (theirs.as_bytes().first(), known.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => object(theirs, known, rounded),
        (Some(b'['), Some(b'[')) => list(theirs, known, rounded),
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => {
            if same_number(theirs, known) {
                return known.to_owned();
            }
            if !is_rounded(theirs, known) {
                return theirs.to_owned();
            }
            let (found, stays) = (theirs.to_owned(), known.to_owned());
            let at = String::new();
            rounded.push(Rounded { at, found, stays });
            known.to_owned()
        }
        _ => theirs.to_owned(),
    }
}

fn object(theirs: &str, known: &str, rounded: &mut Vec<Rounded>) -> String {
    let (Some(theirs), Some(known)) = (Members::of(theirs), Members::of(known)) else {
        return theirs.to_owned();
    };
    let known: HashMap<&str, &str> = known.iter().collect();
    let values: Vec<(&str, String)> = theirs
        .iter()
        .map(|(key, text)| match known.get(key) {
            Some(known) => {
                let mut own = Vec::new();
                let text = value(text, known, &mut own);
                rounded.extend(own.into_iter().map(|it| Rounded {
                    at: joined(key, &it.at),
                    ..it
                }));
                (key, text)
            }
            None => (key, text.to_owned()),
        })
        .collect();
    Members::from_texts(values.iter().map(|(key, text)| (*key, &**text)))
        .to_json()
        .to_string()
}

fn joined(outer: &str, inner: &str) -> String {
    if outer.is_empty() || inner.is_empty() {
        return format!("{outer}{inner}");
    }
    format!("{outer}.{inner}")
}

/// What a list begins and ends with in both is the same; what is between is compared one by one.
fn list(theirs: &str, known: &str, rounded: &mut Vec<Rounded>) -> String {
    let (mut theirs, mut known) = (&*elements(theirs), &*elements(known));
    let (mut front, mut back) = (Vec::new(), Vec::new());
    while let ([one, theirs_left @ ..], [other, known_left @ ..]) = (theirs, known)
        && let Some(text) = alike(one, other, rounded)
    {
        front.push(text);
        (theirs, known) = (theirs_left, known_left);
    }
    while let ([theirs_left @ .., one], [known_left @ .., other]) = (theirs, known)
        && let Some(text) = alike(one, other, rounded)
    {
        back.push(text);
        (theirs, known) = (theirs_left, known_left);
    }
    for (at, one) in theirs.iter().enumerate() {
        front.push(match known.get(at) {
            Some(other) => value(one, other, rounded),
            None => (*one).to_owned(),
        });
    }
    front.extend(back.into_iter().rev());
    format!("[{}]", front.join(","))
}

/// The text of `one` as the other has it, if both say the same.
fn alike(one: &str, other: &str, rounded: &mut Vec<Rounded>) -> Option<String> {
    let mut own = Vec::new();
    let text = value(one, other, &mut own);
    let json = |text: &str| Json::from_compact(text.to_owned());
    let is_same = text == other || both_same(Some(&json(&text)), Some(&json(other)));
    is_same.then(|| {
        rounded.append(&mut own);
        text
    })
}

/// True if a number is another one as a double holds it: written with as many digits as it takes, or with seventeen.
fn is_rounded(number: &str, of: &str) -> bool {
    let (Ok(double), Ok(held)) = (of.parse::<f64>(), number.parse::<f64>()) else {
        return false;
    };
    // A zero is one whatever its sign.
    let bits = |it: f64| (it + 0.0).to_bits();
    if !double.is_finite() || bits(double) != bits(held) {
        return false;
    }
    let spelled = [format!("{double:e}"), format!("{double:.16e}")];
    spelled.iter().any(|text| same_number(number, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(theirs: &str, known: &str) -> (String, Vec<String>) {
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        let (text, rounded) = respelled(&json(theirs), &json(known));
        let rounded = rounded
            .iter()
            .map(|it| format!("{} of {}", it.found, it.stays));
        (text.to_string(), rounded.collect())
    }

    #[test]
    fn what_says_the_same_keeps_its_text_beside_what_was_changed() {
        for (theirs, known, wanted) in [
            ("1.1", "1.10", "1.10"),
            ("1.2", "1.10", "1.2"),
            (
                r#"{"b":[6.0,1.1],"a":2,"n":100.0}"#,
                r#"{"a":1,"b":[6,1.10],"x":null,"n":1E2}"#,
                r#"{"b":[6,1.10],"a":2,"n":1E2}"#,
            ),
            // Something was put in, at the front, in the middle, at the end; something was taken out.
            ("[9,1.1,2.2]", "[1.10,2.20]", "[9,1.10,2.20]"),
            ("[1.1,9,2.2]", "[1.10,2.20]", "[1.10,9,2.20]"),
            ("[1.1,2.2,9]", "[1.10,2.20]", "[1.10,2.20,9]"),
            ("[2.2]", "[1.10,2.20]", "[2.20]"),
            (
                r#"[{"a":1.1,"b":1},{"a":2.2,"b":3}]"#,
                r#"[{"a":1.10,"b":2},{"a":2.20,"b":4}]"#,
                r#"[{"a":1.10,"b":1},{"a":2.20,"b":3}]"#,
            ),
            (r#"{"é\n":1.0}"#, r#"{"é\n":1}"#, r#"{"é\n":1}"#),
            (r#""1.1""#, "1.10", r#""1.1""#),
            ("[]", "{}", "[]"),
            ("{}", "[1]", "{}"),
            ("[]", "[1]", "[]"),
        ] {
            assert_eq!(
                told(theirs, known),
                (wanted.to_owned(), vec![]),
                "{theirs} {known}"
            );
        }
    }

    #[test]
    fn the_first_is_told_with_its_place() {
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        let known = json(r#"{"n":{"a":[{"b":9007199254740993}]},"c":1e-400}"#);
        let (_, rounded) = respelled(
            &json(r#"{"n":{"a":[{"b":9007199254740992}]},"c":0}"#),
            &known,
        );
        let mut all = Roundings::default();
        assert_eq!(all.words("f.json"), None);
        all.add("data", &rounded, &|field| format!("{field} of 1 A St"));
        let told = all.words("f.json").unwrap();
        assert!(
            told.contains(
                ": 2, data.n.a.b of 1 A St is 9007199254740992, the store has 9007199254740993;"
            ),
            "{told}"
        );
    }

    #[test]
    fn what_a_double_makes_of_a_number_is_told_and_no_edit() {
        for (theirs, known) in [
            ("0.12345678901234568", "0.1234567890123456789012"),
            ("0.0", "1e-400"),
            ("-0.0", "-1e-400"),
            // JavaScript holds whole numbers so too.
            ("9007199254740992", "9007199254740993"),
            ("12345678901234567000", "12345678901234567890"),
            ("1.2345678901234567e+19", "12345678901234567890.123"),
            ("0.29999999999999999", "0.3"),
        ] {
            let wanted = (known.to_owned(), vec![format!("{theirs} of {known}")]);
            assert_eq!(told(theirs, known), wanted);
            // The other way round somebody knows more.
            if known != "0.3" {
                assert_eq!(told(known, theirs), (known.to_owned(), vec![]));
            }
        }
        for (theirs, known) in [
            ("0.1234567890123457", "0.1234567890123456789012"),
            ("9007199254740994", "9007199254740993"),
            ("0.31", "0.3"),
            ("1", "-1"),
            ("1.7976931348623157e308", "1e400"),
        ] {
            assert_eq!(told(theirs, known), (theirs.to_owned(), vec![]));
        }
    }
}
