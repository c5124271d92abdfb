//! Reads `work_items.json` into typed parts in one pass, and puts the parts together.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::rest::{Rest, put_seqs};
use super::{Names, WorkItems};
use crate::pipeline::json::Extras;
use crate::pipeline::{Item, ItemId, Json, PhasePlan, PhaseState, PipelineState, Plan, Timestamp};
use crate::position::Seq;
use crate::snapshot::layout::{DOCUMENT, ITEM, Level, PHASE};
use crate::snapshot::times::MaybeTime;
use crate::snapshot::{CompanionName, LogPlace, TimeStyle, parse_crc};

/// A text, borrowed from the file where it has no escapes.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// The document in parts, before plan, items and `log.state` are brought together.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    pub(super) schema_version: String,
    session: Option<Json>,
    plan: Vec<PhasePlan>,
    items: Vec<ItemPart<'a>>,
    last_checkpoint: Option<Timestamp>,
    extras: Extras,
    log: Option<Log>,
    pub(super) crc32: String,
}

/// An item as it stands in the list.
#[derive(Debug)]
pub(super) struct ItemPart<'a> {
    id: Text<'a>,
    name: ItemId,
    phases: InOrder<Text<'a>, PhasePart>,
    created_at: Option<Timestamp>,
    last_updated: Option<Timestamp>,
    extras: Extras,
}

#[derive(Debug)]
struct PhasePart(PhaseState);

/// An object whose keys keep their order.
#[derive(Debug)]
struct InOrder<K, V>(Vec<(K, V)>);

#[derive(Debug, Deserialize)]
struct Log {
    format: Option<u64>,
    id: String,
    seq: Seq,
    crc32: String,
    sha256: String,
    files: InOrder<String, FileEntry>,
    state: Rest,
}

#[derive(Debug, Deserialize)]
struct FileEntry {
    bytes: u64,
    crc32: String,
}

/// What names the set, without the rest of the document.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) schema_version: String,
    log: HeadLog,
}

#[derive(Debug, Deserialize)]
struct HeadLog {
    format: Option<u64>,
    id: String,
    seq: Seq,
    crc32: String,
    sha256: String,
    files: InOrder<String, FileEntry>,
}

/// Gathers the fields of one object that are not ours, each with the key of ours it stands behind.
struct Unknown {
    level: &'static Level,
    behind: &'static str,
    extras: Extras,
}

impl Unknown {
    fn of(level: &'static Level) -> Self {
        Self {
            level,
            behind: "",
            extras: Extras::default(),
        }
    }

    /// Notes a key of ours.
    fn pass(&mut self, key: &str) {
        if let Some(own) = self.level.always.iter().find(|own| **own == key) {
            self.behind = own;
        }
    }

    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let value = map.next_value()?;
        self.extras.push(self.behind, key, value);
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for InOrder<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(std::marker::PhantomData<(K, V)>);
        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
            type Value = InOrder<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Document<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the object of a work_items.json")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut document, mut unknown) = (Document::default(), Unknown::of(DOCUMENT));
                while let Some(Text(key)) = map.next_key()? {
                    unknown.pass(&key);
                    match &*key {
                        "schema_version" => document.schema_version = map.next_value()?,
                        "session" => document.session = Some(map.next_value()?),
                        "plan" => document.plan = map.next_value()?,
                        "work_items" => document.items = map.next_value()?,
                        // Derived from the items.
                        "summary" => _ = map.next_value::<IgnoredAny>()?,
                        "last_checkpoint" => {
                            document.last_checkpoint = map.next_value::<MaybeTime>()?.0;
                        }
                        "log" => document.log = Some(map.next_value()?),
                        "crc32" => document.crc32 = map.next_value()?,
                        _ => unknown.take(&key, &mut map)?,
                    }
                }
                document.extras = unknown.extras;
                Ok(document)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for ItemPart<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = ItemPart<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut id, mut name, mut phases) = (None, None, InOrder(Vec::new()));
                let (mut created_at, mut last_updated) = (None, None);
                let mut unknown = Unknown::of(ITEM);
                while let Some(Text(key)) = map.next_key()? {
                    unknown.pass(&key);
                    match &*key {
                        "id" => id = Some(map.next_value()?),
                        "address" => name = Some(map.next_value()?),
                        // Its place in the list, and what its phases say.
                        "index" | "status" => _ = map.next_value::<IgnoredAny>()?,
                        "phases" => phases = map.next_value()?,
                        "created_at" => created_at = map.next_value::<MaybeTime>()?.0,
                        "last_updated" => last_updated = map.next_value::<MaybeTime>()?.0,
                        _ => unknown.take(&key, &mut map)?,
                    }
                }
                Ok(ItemPart {
                    id: id.ok_or_else(|| A::Error::missing_field("id"))?,
                    name: name.ok_or_else(|| A::Error::missing_field("address"))?,
                    phases,
                    created_at,
                    last_updated,
                    extras: unknown.extras,
                })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for PhasePart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = PhasePart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a phase")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut phase, mut unknown) = (PhaseState::default(), Unknown::of(PHASE));
                while let Some(Text(key)) = map.next_key()? {
                    unknown.pass(&key);
                    match &*key {
                        "status" => phase.status = map.next_value()?,
                        "started_at" => phase.started_at = map.next_value::<MaybeTime>()?.0,
                        "completed_at" => phase.completed_at = map.next_value::<MaybeTime>()?.0,
                        "failed_at" => phase.failed_at = map.next_value::<MaybeTime>()?.0,
                        "stale_reset_at" => phase.stale_reset_at = map.next_value::<MaybeTime>()?.0,
                        "worker" => phase.worker = map.next_value()?,
                        "token" => phase.token = map.next_value()?,
                        "attempts" => phase.attempts = map.next_value()?,
                        "retry_count" => phase.retry_count = map.next_value()?,
                        "error_message" => phase.error_message = map.next_value()?,
                        "imported_status" => phase.imported_status = map.next_value()?,
                        _ => unknown.take(&key, &mut map)?,
                    }
                }
                phase.extras = unknown.extras;
                phase.tidy();
                Ok(PhasePart(phase))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Head {
    /// The layout of `log`, if it is stated.
    pub(super) fn format(&self) -> Option<u64> {
        self.log.format
    }

    pub(super) fn names(self) -> Option<Names> {
        let log = self.log;
        Some(Names {
            place: place(log.id, log.seq, &log.crc32, log.sha256)?,
            companions: companions(log.files)?,
        })
    }
}

impl Document<'_> {
    /// The layout of `log`, if it is stated.
    pub(super) fn format(&self) -> Option<u64> {
        self.log.as_ref()?.format
    }

    /// How its times are written.
    pub(super) fn style(&self) -> TimeStyle {
        match &self.log {
            Some(log) if !log.state.offsets().is_empty() => {
                TimeStyle::NaiveAs(log.state.offsets().clone())
            }
            _ => TimeStyle::Utc,
        }
    }

    /// Brings the parts together; `None` if they do not fit each other.
    pub(super) fn assemble(mut self) -> Option<WorkItems> {
        let mut items = Items::of(self.plan());
        for part in std::mem::take(&mut self.items) {
            items.take(part)?;
        }
        self.around(items)
    }

    /// The plan.
    pub(super) fn plan(&self) -> Plan {
        Plan::from_record(self.plan.clone())
    }

    /// Brings what stands around the items together with these; `None` if they do not fit each other.
    pub(super) fn around(self, items: Items) -> Option<WorkItems> {
        let mut log = self.log?;
        let mut state = items.0;
        log.state.put_own_ids(&mut state)?;
        let (mut extras, mut last_checkpoint) = (self.extras, self.last_checkpoint);
        log.state.put_offsets(&mut state, &mut last_checkpoint)?;
        log.state.put_into_items(&mut state)?;
        log.state.reorder(&mut extras, &mut state)?;
        if log.state.session_is_imported() {
            state.document.session = self.session;
        }
        state.document.extras = extras;
        state.last_change_at = last_checkpoint;
        log.state.put_extraction(&mut state)?;
        let data = log.state.take_data();
        log.state.put_into_state(&mut state);
        Some(WorkItems {
            data,
            state,
            place: place(log.id, log.seq, &log.crc32, log.sha256)?,
            companions: companions(log.files)?,
        })
    }
}

/// The items, as far as they stand in the list.
pub(super) struct Items(PipelineState);

impl Items {
    /// None yet, of that plan.
    pub(super) fn of(plan: Plan) -> Self {
        Self(PipelineState::from_parts(plan, []))
    }

    /// Takes in the next one; `None` if its phases are not those of the plan, or its name is there already: the rows behind the
    /// list could not say which of the two they are about.
    pub(super) fn take(&mut self, part: ItemPart<'_>) -> Option<()> {
        let item = part.assemble(&self.0.plan)?;
        self.0.push(item).then_some(())
    }

    /// Takes in a row of `log.state` on the records that gave an item's phases their status; `None` if it names what is not there.
    pub(super) fn take_seqs(&mut self, row: &[u64]) -> Option<()> {
        put_seqs(&mut self.0, row)
    }
}

impl ItemPart<'_> {
    fn assemble(self, plan: &Plan) -> Option<Item> {
        let mut item = Item::new(self.name, 0);
        if *self.id.0 != *item.name.derived_id() {
            item.id = Some(self.id.0.into());
        }
        (item.created_at, item.last_updated) = (self.created_at, self.last_updated);
        item.extras = self.extras;
        item.phases = in_plan_order(self.phases.0, plan)?;
        Some(item)
    }
}

/// Brings phases into the order of the plan; `None` unless each phase of the plan is there once and no other.
fn in_plan_order(phases: Vec<(Text<'_>, PhasePart)>, plan: &Plan) -> Option<Vec<PhaseState>> {
    let count = plan.phases().len();
    if phases.len() != count {
        return None;
    }
    let ordered = std::iter::zip(&phases, plan.phases())
        .all(|((name, _), plan)| *name.0 == *plan.phase.as_str());
    // Not collected out of what was read: that would keep the room of the names, for every item.
    let mut all = Vec::with_capacity(count);
    if ordered {
        all.extend(phases.into_iter().map(|(_, part)| part.0));
        return Some(all);
    }
    let mut places: Vec<Option<PhaseState>> = std::iter::repeat_with(|| None).take(count).collect();
    for (name, part) in phases {
        *places.get_mut(plan.index_of(&name.0)?)? = Some(part.0);
    }
    for place in places {
        all.push(place?);
    }
    Some(all)
}

fn place(id: String, seq: Seq, crc32: &str, sha256: String) -> Option<LogPlace> {
    let crc32 = parse_crc(crc32)?;
    Some(LogPlace {
        id,
        seq,
        crc32,
        sha256,
    })
}

fn companions(files: InOrder<String, FileEntry>) -> Option<Vec<CompanionName>> {
    // A name is put behind the path of the store: it must not lead out of it, nor to files of another sort.
    let plain = |name: &str| {
        let foreign = name.is_empty() || name.starts_with(['.']) || name.starts_with("work_items.");
        !foreign && !name.contains(['/', '\\', '\0'])
    };
    let named = |(name, entry): (String, FileEntry)| {
        if !plain(&name) {
            return None;
        }
        let (bytes, crc32) = (entry.bytes, parse_crc(&entry.crc32)?);
        Some(CompanionName { name, bytes, crc32 })
    };
    files.0.into_iter().map(named).collect()
}
