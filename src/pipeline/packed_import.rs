//! What an imported item brings with it, as the text that its record will have: while files are compared thousands of these
//! stand in memory, several times, and as text they take less than half of the room.

use super::event::ImportedItem;

/// What an imported item brings with it, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedImport(Box<str>);

impl PackedImport {
    /// The text of an item; `scratch` is room to work in.
    pub fn of(item: &ImportedItem, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        serde_json::to_writer(&mut *scratch, item).expect("what a record carries is plain JSON");
        let text = str::from_utf8(scratch).expect("JSON is text");
        Self(text.into())
    }

    /// The item.
    pub fn open(&self) -> ImportedItem {
        serde_json::from_str(&self.0).expect("it was made of an item")
    }
}
