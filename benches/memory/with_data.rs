//! How much memory commands hold at most where items have data: as a multiple of the data.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Prints a line for each command.
pub(super) fn measure(scratch: &Path, items: usize, each: usize) {
    let dir = scratch.join("data");
    std::fs::create_dir(&dir).unwrap();
    let (root, data) = (
        dir.join("work_items.json"),
        dir.join("enrichment_data.json"),
    );
    std::fs::write(&root, progress(items)).unwrap();
    std::fs::write(&data, objects(items, each)).unwrap();
    let bytes = std::fs::metadata(&data).unwrap().len();
    let lab = Lab { scratch, bytes };
    let (store, first) = (dir.to_str().unwrap(), "0 N Example St");
    println!();
    println!(
        "highest resident memory, {items} items, {} MB of data:",
        bytes / 1_000_000
    );
    lab.run(
        "import, what it would do",
        store,
        &["import", "--dry-run", store],
    );
    // No snapshot yet, so that the same bytes are still there.
    lab.run_with(
        "never",
        "import into a new store",
        store,
        &["import", store],
    );
    lab.run_with(
        "never",
        "import of the same again",
        store,
        &["import", store],
    );
    lab.run("compact, the first", store, &["compact"]);
    lab.run("enrich one item", store, &["enrich", first, "x=1"]);
    lab.run("compact, with records behind", store, &["compact"]);
    lab.run("show one item with data", store, &["show", first, "--data"]);
    edit(&data, ".000", ".999");
    lab.run("import of an edit of every item", store, &["import", store]);
    edit(
        &data,
        "\"field_number_01\": 7.010",
        "\"field_number_01\": 8",
    );
    lab.run("import of an edit of one item", store, &["import", store]);
    // As a snapshot has it, a phase of every item.
    let status = |word: &str| format!("\"p4\": {{\n          \"status\": \"{word}\"");
    edit(&root, &status("pending"), &status("completed"));
    lab.run("import of an edit of progress", store, &["import", store]);
    edit(&root, &status("completed"), &status("skipped"));
    edit(&data, ".999", ".998");
    lab.run("import of an edit of both", store, &["import", store]);
    lab.run("verify --deep", store, &["verify", "--deep"]);

    let late = scratch.join("late");
    std::fs::create_dir(&late).unwrap();
    let (late, data) = (late.to_str().unwrap(), scratch.join("later.json"));
    let root = scratch.join("items.json");
    std::fs::write(&root, progress(items)).unwrap();
    std::fs::write(&data, objects(items, each)).unwrap();
    let (root, data) = (root.to_str().unwrap(), data.to_str().unwrap());
    lab.run("import without data", late, &["import", root]);
    lab.run("import of the data later", late, &["import", data]);
}

/// Six phases, half of them done, as other programs write them.
fn progress(items: usize) -> String {
    let mut text = "{\"work_items\":[".to_owned();
    for index in 0..items {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}\n{{\"address\":\"{index} N Example St\",\"index\":{index},\"status\":\"pending\",\"phases\":{{"
        );
        for phase in 0..6 {
            let comma = if phase == 0 { "" } else { "," };
            let _ = if phase < 3 {
                write!(
                    text,
                    "{comma}\"p{phase}\":{{\"status\":\"completed\",\"started_at\":\"2026-11-22T18:40:15.123456+00:00\",\"completed_at\":\"2026-11-22T18:41:15.123456+00:00\"}}"
                )
            } else {
                write!(text, "{comma}\"p{phase}\":{{\"status\": \"pending\"}}")
            };
        }
        text.push_str("},\"last_updated\":\"2026-11-22T18:41:15.123456+00:00\"}");
    }
    text + "]}"
}

/// As other programs write it, on one line.
fn objects(items: usize, each: usize) -> String {
    let mut text = String::with_capacity(items * (each + 64));
    text.push('[');
    for index in 0..items {
        let begin = text.len();
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{{\"full_address\":\"{index} N Example St\"");
        for field in 0.. {
            if text.len() - begin >= each {
                break;
            }
            let _ = write!(
                text,
                ",\"field_number_{field:02}\":{index}.{field:02}0,\"t{field}\":\"some text here\""
            );
        }
        text.push('}');
    }
    text.push(']');
    text
}

/// What a person does with a file in an editor.
fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let edited = text.replace(from, to);
    assert!(edited != text, "{from} stands in {}", path.display());
    std::fs::write(path, edited).unwrap();
}

struct Lab<'a> {
    scratch: &'a Path,
    bytes: u64,
}

impl Lab<'_> {
    fn run(&self, what: &str, store: &str, args: &[&str]) {
        self.run_with("auto", what, store, args);
    }

    /// Runs a command and prints how much memory it held at most, and how long it took.
    fn run_with(&self, compact: &str, what: &str, store: &str, args: &[&str]) {
        let begun = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_phaselog"));
        command.args(["--store", store]).args(args);
        command
            .env("PHASELOG_COMPACT", compact)
            .current_dir(self.scratch);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut high = 0;
        let code = loop {
            if let Some(ended) = child.try_wait().unwrap() {
                break ended.code().unwrap_or(-1);
            }
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            high = high.max(kib.unwrap_or_default() * 1024);
            std::thread::sleep(Duration::from_millis(1));
        };
        assert!([0, 3].contains(&code), "{what}: exit {code}");
        let (secs, times) = (
            begun.elapsed().as_secs_f64(),
            high as f64 / self.bytes as f64,
        );
        println!(
            "{what:>32}  {:>6} MB  {times:>5.2} x the data  {secs:>6.1} s",
            high / 1_000_000
        );
    }
}
