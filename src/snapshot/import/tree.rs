//! A JSON document in which every value knows where it stands.
//!
//! Values that are only carried along go through `serde_json`, from the bytes between `at` and `end`.

use std::borrow::Cow;

/// A value and where it stands, in bytes from the start of the text.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) value: Value<'a>,
}

#[derive(Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool,
    Number,
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<Field<'a>>),
    /// An item of a document: it was read through, and is read again where it is needed. A large document as a tree takes
    /// many times the memory of its text.
    Later,
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) at: usize,
    pub(super) key: Cow<'a, str>,
    pub(super) node: Node<'a>,
}

/// Why and where the text is no JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) at: usize,
    pub(super) message: String,
    /// Another place that explains it, and what is there.
    pub(super) other: Option<(&'static str, usize)>,
}

impl<'a> Node<'a> {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn fields(&self) -> Option<&[Field<'a>]> {
        match &self.value {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Node<'a>]> {
        match &self.value {
            Value::List(nodes) => Some(nodes),
            _ => None,
        }
    }

    /// The value of a field, if this is an object that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node<'a>> {
        let field = self.fields()?.iter().find(|field| field.key == key)?;
        Some(&field.node)
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Null, or empty in its way: nothing would be lost without it.
    pub(super) fn is_blank(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => text.trim().is_empty(),
            Value::List(nodes) => nodes.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool | Value::Number | Value::Later => false,
        }
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool => "true or false",
            Value::Number => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
            Value::Later => "an item",
        }
    }
}
