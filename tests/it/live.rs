//! Readers beside live writers: no false alarm, whatever is in flight.

use std::process::Stdio;

use serde_json::Value;

use crate::support::Lab;

/// Three writers append, rotate and compact as fast as they can; verify, status and repair's plan look all the time.
#[test]
fn nothing_is_wrong_beside_live_writers() {
    let lab = Lab::new().env("PHASELOG_SEGMENT_BYTES", "4000");
    let items: Vec<String> = (1..=60).map(|n| format!("{n} N Example St")).collect();
    lab.write("houses.txt", &items.join("\n"));
    let init = [
        "init",
        "--phase",
        "county",
        "--phase",
        "listing:needs=county",
    ];
    lab.must(&[&init[..], &["--items", "houses.txt"]].concat());
    let mut writers: Vec<_> = (1..=3)
        .map(|seed: u32| {
            let seed = seed.to_string();
            let args = ["crash-writer", "--seed", &seed, "--steps", "250"];
            lab.command(&args).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let mut looks = 0;
    let mut records = Vec::new();
    while writers
        .iter_mut()
        .any(|writer| writer.try_wait().unwrap().is_none())
        && looks < 400
    {
        let deep = if looks % 2 == 0 { "--deep" } else { "--json" };
        let verified = lab.run(&["verify", "--json", deep][..if deep == "--deep" { 3 } else { 2 }]);
        assert_eq!(verified.exit, Some(0), "{}", verified.text());
        let told: Value = serde_json::from_str(&verified.stdout).unwrap();
        records.push(told["records"].as_u64().unwrap());
        for args in [&["status"][..], &["repair"], &["list"]] {
            let output = lab.must(args);
            assert_eq!(output.stderr, "", "{}", output.text());
        }
        looks += 1;
    }
    for writer in &mut writers {
        assert_eq!(writer.wait().unwrap().code(), Some(0));
    }
    println!(
        "{looks} looks beside 3 writers, at {} to {} records",
        records[0],
        records[looks - 1]
    );
    assert!(records.is_sorted(), "what was shown stays: {records:?}");
    assert!(
        looks >= 5 && records[looks - 1] > records[0] + 50,
        "{records:?}"
    );
}
