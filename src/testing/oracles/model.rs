//! A naive model of the pipeline: the text of the log in, what holds now out. It shares no code with `pipeline`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::lines::Line;
use crate::PipelineState;

/// What holds after some records, as far as anybody who reads them can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The names of the phases, in order.
    pub plan: Vec<String>,
    /// The items, in order.
    pub items: Vec<String>,
    /// By item and phase.
    pub phases: BTreeMap<(String, String), ModelPhase>,
    /// Items that are held, each with why.
    pub held: BTreeMap<String, Option<String>>,
    /// The ids under which reports were made, each with the last record made under it.
    pub operations: BTreeMap<String, u64>,
    /// Reports that came too late.
    pub rejected: u64,
    /// By item: its data, as text.
    pub data: BTreeMap<String, String>,
    /// By item: how its extraction stands, and how often it failed.
    pub extraction: BTreeMap<String, (Option<String>, u64)>,
}

/// One phase of one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelPhase {
    /// `pending` and so on.
    pub status: String,
    /// How often it was started.
    pub attempts: u64,
    /// How often it failed.
    pub failures: u64,
    /// The record that gave it its status; 0 for none.
    pub since: u64,
    /// The right to report; 0 for none.
    pub token: u64,
    /// The last error, until it is completed.
    pub error: Option<String>,
}

impl Model {
    /// Folds these records.
    ///
    /// # Errors
    /// The first record that is no event of format 1, as text.
    pub fn fold(lines: &[Line]) -> Result<Self, String> {
        let mut model = Self::default();
        for line in lines {
            model
                .take(line)
                .ok_or_else(|| format!("the model does not know record {line:?}"))?;
        }
        Ok(model)
    }

    fn take(&mut self, line: &Line) -> Option<()> {
        let event: Value = serde_json::from_str(&line.payload).ok()?;
        let item = text(&event["item"]).unwrap_or_default();
        let kind = event["event"].as_str()?;
        self.learn(&item, &event)?;
        match kind {
            "segment" | "compacted" | "noted" | "imported" | "enriched" | "extracted"
            | "edited" => {}
            "planned" => self.replan(event["phases"].as_array()?),
            "rejected" => self.rejected += 1,
            "added" => self.add(&item, line.seq, &event["imported"]),
            "held" => {
                self.held.insert(item.clone(), text(&event["reason"]));
            }
            "unheld" => {
                self.held.remove(&item);
            }
            _ => {
                let name = text(&event["phase"])?;
                if let Some(op) = text(&event["op"]) {
                    self.operations.insert(op, line.seq);
                }
                let phase = self.phases.entry((item.clone(), name)).or_default();
                phase.attempts += u64::from(kind == "started");
                phase.failures += u64::from(kind == "failed");
                let status = match kind {
                    "started" => "in_progress",
                    "completed" | "failed" | "skipped" => kind,
                    "released" | "reset" | "retried" => "pending",
                    "renewed" => return Some(()),
                    _ => return None,
                };
                status.clone_into(&mut phase.status);
                phase.since = line.seq;
                match kind {
                    "started" => phase.token = line.seq,
                    "retried" => phase.token = 0,
                    "completed" => phase.error = None,
                    "failed" => phase.error = text(&event["error"]),
                    _ => {}
                }
            }
        }
        self.correct(item, &event)
    }

    /// What a file said of a phase, beyond its status, when somebody had changed it there.
    fn correct(&mut self, item: String, event: &Value) -> Option<()> {
        let (Some(edit), Some(name)) = (event.get("edit"), text(&event["phase"])) else {
            return Some(());
        };
        let phase = self.phases.entry((item, name)).or_default();
        if event["event"] == "failed" {
            phase.error = None;
        }
        for field in edit["set"].as_array().into_iter().flatten() {
            let value = &field[2];
            match field[1].as_str()? {
                "attempts" => phase.attempts = value.as_u64().unwrap_or(0),
                "retry_count" => phase.failures = value.as_u64().unwrap_or(0),
                "error_message" => phase.error = text(value),
                _ => {}
            }
        }
        Some(())
    }

    /// Data and extraction, of their own records and of those that complete a phase.
    fn learn(&mut self, item: &str, event: &Value) -> Option<()> {
        if let Some(change) = event.get("data") {
            let before = self.data.get(item).map_or("{}", String::as_str);
            let mut now: Value = serde_json::from_str(before).ok()?;
            if let Some(object) = change.get("object") {
                now = object.clone();
            }
            for change in change["changes"].as_array().into_iter().flatten() {
                set(
                    &mut now,
                    &keys(change["field"].as_str()?),
                    change.get("new"),
                )?;
            }
            self.data.insert(item.to_owned(), now.to_string());
        }
        if let Some(change) = event.get("extraction") {
            let status = text(&change["status"]);
            let before = self.extraction.get(item).map_or(0, |before| before.1);
            let failures = match change.get("imported") {
                Some(file) => file["retry_count"].as_u64().unwrap_or(0),
                None => before + u64::from(status.as_deref() == Some("failed")),
            };
            self.extraction.insert(item.to_owned(), (status, failures));
        }
        Some(())
    }

    fn add(&mut self, item: &str, seq: u64, imported: &Value) {
        self.items.push(item.to_owned());
        for phase in &self.plan {
            let status = "pending".to_owned();
            let fresh = ModelPhase {
                status,
                ..ModelPhase::default()
            };
            self.phases.insert((item.to_owned(), phase.clone()), fresh);
        }
        for phase in imported["phases"].as_array().into_iter().flatten() {
            let name = text(&phase["phase"]).unwrap_or_default();
            let given = ModelPhase {
                status: text(&phase["status"]).unwrap_or_default(),
                attempts: phase["attempts"].as_u64().unwrap_or(0),
                failures: phase["retry_count"].as_u64().unwrap_or(0),
                since: seq,
                token: 0,
                error: text(&phase["error_message"]),
            };
            self.phases.insert((item.to_owned(), name), given);
        }
    }

    /// Phases go on by name, or from those that they name; of several the one that is furthest from done counts.
    fn replan(&mut self, phases: &[Value]) {
        let old = std::mem::take(&mut self.phases);
        self.plan = phases
            .iter()
            .filter_map(|phase| text(&phase["phase"]))
            .collect();
        for item in &self.items {
            for (phase, name) in phases.iter().zip(&self.plan) {
                let from = phase["from"].as_array().filter(|from| !from.is_empty());
                let from = from.map_or(vec![name.clone()], |from| {
                    from.iter().filter_map(text).collect()
                });
                let sources: Vec<&ModelPhase> = from
                    .into_iter()
                    .filter_map(|name| old.get(&(item.clone(), name)))
                    .collect();
                let order = ["skipped", "completed", "pending", "failed", "in_progress"];
                let rank = |phase: &&&ModelPhase| {
                    (
                        order.iter().position(|status| *status == phase.status),
                        phase.since,
                    )
                };
                let mut phase = sources
                    .iter()
                    .max_by_key(rank)
                    .copied()
                    .cloned()
                    .unwrap_or_default();
                if sources.is_empty() {
                    "pending".clone_into(&mut phase.status);
                }
                phase.attempts = sources.iter().map(|source| source.attempts).sum();
                phase.failures = sources.iter().map(|source| source.failures).sum();
                self.phases.insert((item.clone(), name.clone()), phase);
            }
        }
    }

    /// What a state says about the same things.
    pub fn of_state(state: &PipelineState) -> Self {
        let names = state.plan.phases().iter();
        let plan: Vec<String> = names.map(|phase| phase.phase.to_string()).collect();
        let mut model = Self {
            plan,
            rejected: state.rejected,
            ..Self::default()
        };
        for item in state.items() {
            let name = item.name.to_string();
            if let Some(hold) = &item.hold {
                model.held.insert(name.clone(), hold.reason.clone());
            }
            for (phase, of) in item.phases.iter().zip(&model.plan) {
                let shown = ModelPhase {
                    status: phase.status.as_str().to_owned(),
                    attempts: u64::from(phase.attempts),
                    failures: u64::from(phase.retry_count),
                    since: phase.since.get(),
                    token: phase.token.map_or(0, crate::position::Seq::get),
                    error: phase.error_message.as_deref().map(str::to_owned),
                };
                model.phases.insert((name.clone(), of.clone()), shown);
            }
            if let Some(data) = &item.data {
                model
                    .data
                    .insert(name.clone(), data.object().to_value().to_string());
            }
            if let Some(it) = &item.extraction {
                let status = it.status.map(|status| status.as_str().to_owned());
                let shown = (status, u64::from(it.retry_count));
                model.extraction.insert(name.clone(), shown);
            }
            model.items.push(name);
        }
        for (seq, operation) in state.op_ids.iter() {
            model.operations.insert(operation.id.clone(), seq.get());
        }
        model
    }
}

/// The keys of a field: `lot."sq.ft"` is two.
fn keys(field: &str) -> Vec<String> {
    let (mut keys, mut key, mut quoted) = (Vec::new(), String::new(), false);
    let mut signs = field.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '.' if !quoted => keys.push(std::mem::take(&mut key)),
            '"' => quoted = !quoted,
            '\\' => key.extend(signs.next()),
            sign => key.push(sign),
        }
    }
    keys.push(key);
    keys
}

fn set(object: &mut Value, keys: &[String], new: Option<&Value>) -> Option<()> {
    let (last, outer) = keys.split_last()?;
    let mut inner = object;
    for key in outer {
        inner = &mut inner[key.as_str()];
        if !inner.is_object() {
            if new.is_none() {
                return Some(());
            }
            *inner = Value::Object(serde_json::Map::new());
        }
    }
    match new {
        Some(new) => inner[last.as_str()] = new.clone(),
        None => drop(inner.as_object_mut()?.shift_remove(last)),
    }
    Some(())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_folds_every_event_there_is_a_golden_line_of() {
        let golden = include_str!("../../pipeline/golden_payloads.jsonl");
        let lines: Vec<Line> = golden
            .lines()
            .zip(1..)
            .map(|(payload, seq)| Line {
                seq,
                payload: payload.to_owned(),
            })
            .collect();
        let model = Model::fold(&lines).unwrap();
        assert_eq!(model.plan, ["county", "listing"]);
        assert_eq!(model.items.len(), 2);
        let key = ("200 N Example St".to_owned(), "county".to_owned());
        let county = &model.phases[&key];
        assert_eq!((county.status.as_str(), county.token), ("completed", 6));
        assert_eq!(model.operations["7d0e-1"], 21);
        assert_eq!((model.rejected, model.held.len()), (1, 0));
        // The object of the line behind took the place of what the changes made.
        let data =
            r#"{"full_address":"200 N Example St","list_price":650000,"score":0.90,"note":null}"#;
        assert_eq!(model.data["200 N Example St"], data);
        let extraction = &model.extraction["200 N Example St"];
        assert_eq!(extraction, &(Some("failed".to_owned()), 2));
        let odd = Line {
            seq: 1,
            payload: "{\"event\":\"melted\",\"item\":\"a\",\"phase\":\"p\"}".to_owned(),
        };
        assert!(Model::fold(&[odd]).is_err());
    }
}
