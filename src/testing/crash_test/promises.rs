//! A claim as a line of text: what a writer says, the moment it knows, to whoever will kill it.

use serde_json::{Value, json};

use crate::testing::oracles::Claim;

/// The claim as one line of JSON, without its newline.
pub fn to_line(claim: &Claim) -> String {
    let line = match claim {
        Claim::Recorded { seq, payload } => json!({"recorded": seq, "payload": payload}),
        Claim::Rests { on } => json!({ "rests": on }),
        Claim::Shown { seq } => json!({ "shown": seq }),
        Claim::Compacted { covers } => json!({ "compacted": covers }),
        Claim::Alarm { said } => json!({ "alarm": said }),
    };
    line.to_string()
}

/// Reads a claim back; `None` for what is none, a line that its writer could not finish above all.
pub fn from_line(line: &str) -> Option<Claim> {
    let line: Value = serde_json::from_str(line).ok()?;
    let number = |key: &str| line[key].as_u64();
    let text = |key: &str| line[key].as_str().map(str::to_owned);
    if let (Some(seq), Some(payload)) = (number("recorded"), text("payload")) {
        return Some(Claim::Recorded { seq, payload });
    }
    if let Some(on) = number("rests") {
        return Some(Claim::Rests { on });
    }
    if let Some(seq) = number("shown") {
        return Some(Claim::Shown { seq });
    }
    if let Some(covers) = number("compacted") {
        return Some(Claim::Compacted { covers });
    }
    text("alarm").map(|said| Claim::Alarm { said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_survives_its_line() {
        for claim in [
            Claim::Recorded {
                seq: 7,
                payload: "{\"event\":\"added\",\"item\":\"ä\\n\"}".to_owned(),
            },
            Claim::Rests { on: 0 },
            Claim::Shown { seq: 3 },
            Claim::Compacted { covers: 9 },
            Claim::Alarm {
                said: "no store".to_owned(),
            },
        ] {
            let line = to_line(&claim);
            assert_eq!(from_line(&line), Some(claim));
            assert_eq!(from_line(&line[..line.len() - 1]), None);
        }
    }
}
