//! How much memory and time 100,000 items with 3 kB of data each take. Not part of the suite: it prints, and asserts
//! nothing about speed.
//!
//! `cargo test --release --test it at_size -- --ignored --nocapture`; `PHASELOG_SIZE=10000` for fewer items.

use std::fmt::Write as _;
use std::time::Instant;

use crate::support::Lab;

/// Writes a file with the progress of so many items and one with 3 kB of data for each.
fn generate(lab: &Lab, items: usize) -> u64 {
    let (mut progress, mut data) = ("{\"work_items\":[".to_owned(), "[".to_owned());
    for index in 0..items {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            progress,
            "{comma}{{\"address\":\"{index} N Example St\",\"phases\":{{\"p\":{{\"status\":\"pending\"}}}}}}"
        );
        let _ = write!(data, "{comma}{{\"full_address\":\"{index} N Example St\"");
        for field in 0..60 {
            let _ = write!(
                data,
                ",\"field_number_{field:02}\":{index}.{field:02}0,\"t{field}\":\"some text here\""
            );
        }
        data.push('}');
    }
    std::fs::create_dir(lab.path("data")).unwrap();
    lab.write("data/work_items.json", &(progress + "]}"));
    lab.write("data/enrichment_data.json", &(data + "]"));
    std::fs::metadata(lab.path("data/enrichment_data.json"))
        .unwrap()
        .len()
}

/// Runs a command and prints how long it took and how much memory it held at most.
fn measure(lab: &Lab, args: &[&str], bytes: u64) {
    let begun = Instant::now();
    let mut child = lab
        .command(args)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut high = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        high = high.max(kib.unwrap_or_default() * 1024);
        std::thread::yield_now();
    }
    let (secs, times) = (begun.elapsed().as_secs_f64(), high as f64 / bytes as f64);
    println!(
        "{args:?}: {secs:.1} s, {} MB at most, {times:.1} times the data",
        high / 1_000_000
    );
}

#[test]
#[ignore = "takes minutes and a gigabyte; it prints how much"]
fn a_hundred_thousand_items_of_three_kilobytes() {
    let items = std::env::var("PHASELOG_SIZE").map_or(100_000, |text| text.parse().unwrap());
    let lab = Lab::new();
    let bytes = generate(&lab, items);
    println!("{items} items, {} MB of data", bytes / 1_000_000);
    measure(&lab, &["import", "data"], bytes);
    measure(&lab, &["compact"], bytes);
    measure(&lab, &["enrich", "7 N Example St", "x=1"], bytes);
    measure(&lab, &["compact"], bytes);
    measure(&lab, &["show", "7 N Example St", "--data"], bytes);
}
