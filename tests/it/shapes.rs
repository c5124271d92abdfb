//! Every shape of file that was found, whole: what the import says of it, what stands in the three files afterwards, and
//! that those come back as they are.

use serde_json::Value;

use crate::kill::{Random, seed};
use crate::support::{Lab, Output, shows};

const FILES: [&str; 3] = [
    "work_items.json",
    "enrichment_data.json",
    "extraction_state.json",
];

/// Name, and the files.
const SHAPES: [(&str, [Option<&str>; 3]); 10] = [
    ("w1", [Some(W1), None, None]),
    ("w2", [Some(W2), None, None]),
    ("w3", [Some(W3), Some(LIST), Some(OLDER)]),
    ("w4", [Some(W4), None, None]),
    ("w5", [Some(W5), None, None]),
    ("w6", [Some(W6), Some(DICT), Some(NEW)]),
    ("w7", [Some(W7), None, Some(V2)]),
    ("list", [None, Some(LIST), None]),
    ("dict", [None, Some(DICT), Some(V2)]),
    ("extraction", [None, None, Some(NEW)]),
];

const W1: &str = r#"{"schema_version":"1.0.0",
 "session":{"session_id":"session_20251202_174046","started_at":"2025-12-02T17:40:46.613377Z","mode":"batch","total_items":36,"current_index":0,"current_phase":"phase1_listing"},
 "work_items":[{"index":0,"address":"100 N Example St, Phoenix, AZ 85001","hash":"6948a957","status":"pending","locked_by":null,"locked_at":null,
   "phases":{"phase0_county":{"status":"complete","completed":"2025-12-02T17:42:45.855497"},
             "phase05_cost":{"status":"complete","completed":"2025-12-02T17:58:27.792178"},
             "phase1_listing":{"status":"pending","completed":null},"phase1_map":{"status":"pending","completed":null}},
   "retry_count":0,"last_updated":"2025-12-02T17:47:35.747483","commit_sha":null,"errors":[]}],
 "summary":{"pending":36,"in_progress":0,"completed":0,"failed":0}}"#;

const W2: &str = r#"{"session":{"started_at":null,"last_updated":null,"mode":"idle"},"properties":{},"summary":{"total_properties":0}}"#;

const W3: &str = r#"{"session":{"mode":"batch"},"properties":{"5887ee9b":{"id":"5887ee9b","address":"100 N Example St","zillow_url":"https://example.com/1","status":"pending",
   "phases":{"phase0_county":{"status":"pending","completed":null},
     "phase1_listing":{"status":"completed","completed":"2025-12-02T21:11:14.588367-05:00","extraction_status":"complete","data_extracted":{"list_price":650000,"images_count":41,"ratio":0.90},"notes":"said \"ok\",\nC:\\x"},
     "phase2_images":{"status":"completed","completed":"2025-12-04T00:35:00Z","confidence":"high","photos_analyzed":41}},
   "created_at":"2025-12-02T21:06:45.858162","last_updated":"2025-12-03T02:15:00Z"}},"summary":{"pending":8,"in_progress":0}}"#;

const W4: &str = r#"{"work_items":[{"id":"a1","address":"100 N Example St","status":"in_progress","phases":{"p1":{"status":"completed"},"p2":{"status":"pending"}}},
 {"id":"a2","address":"207 W Mockup Blvd","status":"pending","phases":{"p1":{"status":"completed","completed":"2025-12-02T17:42:45+00:00"},"p2":{"status":"pending"}}}]}"#;

const W5: &str = r#"{"properties":{"123 Main St":{"status":"complete","current_phase":4,
   "phase_status":{"phase0_county":"failed","phase1_listing":"complete","phase1_map":"complete","phase3_synthesis":"failed"},
   "tier":null,"score":null,"retry_count":0,"error_message":"Traceback (most recent call last):\n  File \"C:\\Users\\me\"\nModuleNotFoundError: x\n","updated_at":"2025-12-04T04:32:38.105510"}},
 "updated_at":"2025-12-04T04:32:38.105510"}"#;

const W6: &str = r#"{"session":{"session_id":"s"},"work_items":[{"id":"5887ee9b","address":"100 N Example St","index":0,"status":"failed",
   "phases":{"phase1_listing":{"status":"completed","started_at":"2025-12-02T21:00:00+00:00","completed_at":"2025-12-02T21:11:14+00:00"},
     "phase1_map":{"status":"retrying","started_at":"2025-12-02T21:12:00+00:00","failed_at":"2025-12-02T21:13:00+00:00","error":"timeout","error_category":"network","retry_count":2},
     "phase2_images":{"status":"pending","stale_reset_at":"2025-12-02T22:00:00+00:00","previous_error":"lost"}},
   "created_at":"2025-12-02T20:00:00+00:00","updated_at":"2025-12-02T22:00:00+00:00"}],
 "summary":{"total":1,"pending":0,"in_progress":0,"completed":0,"failed":1,"blocked":0,"completion_percentage":0.0}}"#;

const W7: &str = r#"{"$schema":"https://example.com/state.json","blocked_sources":{"listing":"2025-12-02"},"work_items":[{"address":"100 N Example St","tier":"A","total_score":412.50,
   "kill_switch":{"hoa":false},"error_log":[{"timestamp":"2025-12-02T21:00:00Z","phase":"p2","error":"no photos"}],"locked_by":null,"locked_at":null,
   "phases":{"p1":{"status":"completed","started":"2025-12-02T20:00:00Z","completed":"2025-12-02T20:10:00Z","commit_sha":"abc","data_fields":["price"],"error":null},
     "p2":{"status":"blocked","started":null,"completed":null,"error":"no photos"}}}]}"#;

const LIST: &str = r#"[{"full_address":"100 N Example St","list_price":650000,"score":0.90,"ratio":154.16666666666666,"beds":6,"baths":6.0,"lot":{"sqft":7405,"x":[]},"_last_updated":"2025-12-02"},
 {"confidence":"medium","full_address":"8 E Sample Ave","big":12345678901234567890123,"e":[1E5,1e-07,-0]}]"#;

const DICT: &str = r#"{"_meta":{"v":0.10},"100 N Example St":{"score":0.55},"8 E Sample Ave":{"score":"medium","nested":{"a":{"b":[null,true]}}}}"#;

const OLDER: &str = r#"{"completed_properties":["100 N Example St"],"failed_properties":[],"last_updated":"2025-12-02T18:08:26.834538-05:00"}"#;

const NEW: &str = r#"{"completed_properties":["8 E Sample Ave","100 N Example St"],"failed_properties":["207 W Mockup Blvd"],
 "property_last_checked":{"100 N Example St":"2025-12-02T18:00:35.697827-05:00"},"last_updated":"2025-12-02T18:08:26.834538-05:00"}"#;

const V2: &str = r#"{"completed_properties":["100 N Example St"],"failed_properties":[],"in_progress_properties":["8 E Sample Ave"],
 "property_last_checked":{"8 E Sample Ave":"2025-12-02T18:00:35"},"retry_counts":{"8 E Sample Ave":2},"phase_status":{"100 N Example St":{"p1":"done"}},
 "last_checkpoint":{"at":1},"stats":{"n":1.50}}"#;

/// A file of ours with what hangs on the log's random id replaced.
fn settled(text: &str) -> String {
    let mut all = String::new();
    for line in text.lines() {
        let key = line
            .trim_start()
            .split_once("\": ")
            .map(|(key, _)| key.trim_start_matches('"'));
        let hex = |text: &str| text.len() >= 8 && text.bytes().all(|it| it.is_ascii_hexdigit());
        let value = line.split('"').nth(3).unwrap_or_default();
        if key == Some("session_id") && value.starts_with("phaselog_") {
            all += &line.replace(value, "phaselog_[…]");
        } else if matches!(key, Some("crc32" | "sha256"))
            || (key == Some("id") && value.len() == 32)
        {
            assert!(hex(value), "{line}");
            all += &line.replace(value, "[…]");
        } else {
            all += line;
        }
        all.push('\n');
    }
    all
}

fn read(lab: &Lab, file: &str) -> Option<String> {
    std::fs::read_to_string(lab.path(file)).ok()
}

#[test]
fn every_shape_is_taken_over_written_and_taken_over_again() {
    for (name, files) in SHAPES {
        let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T08:00:00Z");
        std::fs::create_dir(lab.path("old")).unwrap();
        for (file, text) in FILES.iter().zip(files) {
            if let Some(text) = text {
                lab.write(&format!("old/{file}"), text);
            }
        }
        let import = ["import", "--assume-tz", "America/Phoenix", "old"];
        let dry = lab.run(&[&["--json"], &import[..], &["--dry-run"]].concat());
        assert!(!lab.path("data").exists(), "{}", dry.text());
        let mut outputs = vec![lab.run(&import)];
        assert_eq!(dry.exit, outputs[0].exit, "{}", dry.text());
        lab.must(&["compact"]);
        outputs.extend(FILES.iter().filter_map(|file| {
            let stdout = settled(&read(&lab, &format!("data/{file}"))?);
            Some(Output {
                line: format!("cat data/{file}"),
                exit: Some(0),
                stdout,
                stderr: String::new(),
            })
        }));
        shows(&format!("shape__{name}"), &outputs);
        lab.must(&["verify", "--deep"]);

        // The same file, and our own, bring nothing more.
        let before = lab.must(&["log"]).stdout;
        for again in [&import[..], &["import", "data"]] {
            let again = lab.must(again);
            assert!(
                again.stdout.starts_with("unchanged"),
                "{name}: {}",
                again.text()
            );
        }
        assert_eq!(lab.must(&["log"]).stdout, before, "{name}");

        // Another store, out of our files, has the same in it.
        lab.run(&["-s", "other", "import", "data"]);
        lab.must(&["-s", "other", "compact"]);
        lab.must(&["-s", "other", "verify", "--deep"]);
        let items = |store: &str| {
            let list = lab.must(&["-s", store, "--json", "list"]).stdout;
            serde_json::from_str::<Value>(&list).unwrap()["items"].clone()
        };
        assert_eq!(items("data"), items("other"), "{name}");
        let [_, data, _] = FILES;
        assert_eq!(
            read(&lab, &format!("data/{data}")),
            read(&lab, &format!("other/{data}")),
            "{name}"
        );
    }
}

/// A random JSON value, compact, its texts spelled as `serde_json` does.
fn value(random: &mut Random, depth: u64) -> String {
    let numbers = [
        "0",
        "-0",
        "6",
        "6.0",
        "0.90",
        "1E5",
        "1e5",
        "1e+05",
        "1.0E-7",
        "154.16666666666666",
        "1e400",
        "12345678901234567890123",
        "-0.0",
        "0.1e-0",
    ];
    let texts = [
        "",
        "a",
        "medium",
        "ä\u{1f3e0}",
        "C:\\x\n\"q\"",
        "},\n  {",
        "\u{1}\t",
        "null",
    ];
    let all = if depth == 0 { 6 } else { 8 };
    match random.below(all) {
        0 => "null".to_owned(),
        1 => ["true", "false"][usize::try_from(random.below(2)).unwrap()].to_owned(),
        2 | 3 => numbers[usize::try_from(random.below(numbers.len() as u64)).unwrap()].to_owned(),
        4 => format!("{}.{}", random.below(1 << 40), random.below(1 << 50)),
        5 => {
            let text = texts[usize::try_from(random.below(texts.len() as u64)).unwrap()];
            serde_json::to_string(text).unwrap()
        }
        6 => {
            let all: Vec<String> = (0..random.below(4))
                .map(|_| value(random, depth - 1))
                .collect();
            format!("[{}]", all.join(","))
        }
        _ => object(random, depth - 1, None),
    }
}

/// An object with random keys, none twice; and a `full_address` somewhere, if one is given.
fn object(random: &mut Random, depth: u64, address: Option<&str>) -> String {
    let fields = random.below(6);
    let own = random.below(fields + 1);
    let mut all = Vec::new();
    for at in 0..=fields {
        if at == own
            && let Some(address) = address
        {
            all.push(format!(
                "\"full_address\":{}",
                serde_json::to_string(address).unwrap()
            ));
        }
        if at < fields {
            let key = ["k", "list_price", "a.b", "ä \"q\"", "_x", ""]
                [usize::try_from(random.below(6)).unwrap()];
            let key = serde_json::to_string(&format!("{key}{at}")).unwrap();
            all.push(format!("{key}:{}", value(random, depth)));
        }
    }
    format!("{{{}}}", all.join(","))
}

/// A text without the white space between its parts.
fn compact(text: &str) -> String {
    let (mut all, mut quoted, mut escaped) = (String::new(), false, false);
    for sign in text.chars() {
        let ends = sign == '"' && !escaped;
        escaped = quoted && sign == '\\' && !escaped;
        quoted ^= ends;
        if quoted || !sign.is_ascii_whitespace() {
            all.push(sign);
        }
    }
    all
}

#[test]
fn random_data_survives_import_and_compaction_byte_for_byte() {
    let seed = seed();
    println!("seed {seed}; again: PHASELOG_TEST_SEED={seed} cargo test --test it random_data");
    let mut random = Random(seed);
    for _ in 0..24 {
        let is_list = random.below(2) == 0;
        let houses: Vec<String> = (0..=random.below(12))
            .map(|n| format!("{n} N Example St"))
            .collect();
        let members: Vec<String> = houses
            .iter()
            .map(|house| {
                if is_list {
                    object(&mut random, 4, Some(house))
                } else {
                    format!("\"{house}\":{}", object(&mut random, 4, None))
                }
            })
            .collect();
        let [open, close] = if is_list { ["[", "]"] } else { ["{", "}"] };
        let text = format!("{open}{}{close}", members.join(","));
        let lab = Lab::new();
        lab.write("enrichment_data.json", &text);
        let told = lab.run(&["import", "enrichment_data.json"]);
        assert_eq!(told.exit, Some(3), "{text}\n{}", told.text());
        // Through the snapshot, and through a snapshot that was read.
        for number in ["1E5", "2.50"] {
            lab.must(&["compact"]);
            let written = compact(&read(&lab, "data/enrichment_data.json").unwrap());
            let expected = match number {
                "1E5" => text.clone(),
                _ => text.replacen(&members[0], &changed(&members[0], "1E5"), 1),
            };
            assert_eq!(written, expected, "{}", told.text());
            lab.must(&["enrich", &houses[0], &format!("new={number}")]);
        }
        lab.must(&["verify", "--deep"]);
    }
}

/// An object with another field at its end.
fn changed(object: &str, new: &str) -> String {
    let inner = object.strip_suffix('}').unwrap();
    let comma = if inner.ends_with('{') { "" } else { "," };
    format!("{inner}{comma}\"new\":{new}}}")
}
