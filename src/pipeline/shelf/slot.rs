//! One item in memory: as bytes where nobody works on it, as an [`Item`] where somebody does.

use std::borrow::Cow;
use std::sync::Arc;

use crate::pipeline::enrichment::ItemData;
use crate::pipeline::item::Item;
use crate::pipeline::row;

/// One item. The bytes take a third of the room; they are made into an item, and an item into bytes, in less time than a record
/// takes to be read.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    Packed(Packed),
    Unpacked(Box<Item>),
}

/// An item as bytes, beside its data: that is read by all who look at the item, and shared with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    row: Box<[u8]>,
    data: Option<Arc<ItemData>>,
}

impl Packed {
    /// The bytes of an item; `scratch` is room to work in.
    pub fn of(item: &Item, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        row::encode_bare(item, scratch);
        Self {
            row: scratch.as_slice().into(),
            data: item.data.clone(),
        }
    }

    /// The item that a row of [`row::encode`] is, if it has so many phases; `None` if it is none.
    pub fn read(row: &[u8], phases: usize) -> Option<Self> {
        let (item, bare) = row::decode_apart(row)?;
        (item.phases.len() == phases).then(|| Self {
            row: bare.into(),
            data: item.data,
        })
    }

    fn item(&self) -> Item {
        let (mut item, _) = row::decode_bare(&self.row).expect("they were made of an item");
        item.data.clone_from(&self.data);
        item
    }
}

/// Equal if they hold the same item, in whichever form.
impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // One item has one row.
            (Self::Packed(one), Self::Packed(other)) => one == other,
            _ => self.item() == other.item(),
        }
    }
}

impl Slot {
    pub(super) fn item(&self) -> Cow<'_, Item> {
        match self {
            Self::Packed(packed) => Cow::Owned(packed.item()),
            Self::Unpacked(item) => Cow::Borrowed(item),
        }
    }

    /// What is to be found in it, in the bits of [`row::holding`].
    pub(super) fn holds(&self) -> u8 {
        match self {
            Self::Packed(packed) => row::stated(&packed.row),
            Self::Unpacked(item) => row::holds(item),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Packed(packed) => row::name(&packed.row).expect("they were made of an item"),
            Self::Unpacked(item) => item.name.as_str(),
        }
    }

    pub(super) fn data(&self) -> Option<&ItemData> {
        match self {
            Self::Packed(packed) => packed.data.as_deref(),
            Self::Unpacked(item) => item.data.as_deref(),
        }
    }

    pub(super) fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(_))
    }

    pub(super) fn pack(&mut self, scratch: &mut Vec<u8>) {
        if let Self::Unpacked(item) = self {
            *self = Self::Packed(Packed::of(item, scratch));
        }
    }

    /// The item, to be changed.
    pub(super) fn unpack(&mut self) -> &mut Item {
        if let Self::Packed(packed) = self {
            *self = Self::Unpacked(Box::new(packed.item()));
        }
        match self {
            Self::Unpacked(item) => item,
            Self::Packed(_) => unreachable!("it was unpacked a moment ago"),
        }
    }

    /// Puts in the data, whichever form the rest has.
    pub(super) fn set_data(&mut self, data: Option<Arc<ItemData>>) {
        match self {
            Self::Packed(packed) => packed.data = data,
            Self::Unpacked(item) => item.data = data,
        }
    }
}
