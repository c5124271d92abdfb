//! `verify` and `repair` as scripts see them: exit statuses, lines, JSON.

use std::path::Path;
use std::process::{Command, Output};

use crate::damage::{DIR, segments, small_store};

fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_phaselog"))
        .args(args)
        .env("PHASELOG_STORE", dir)
        .env("PHASELOG_COMPACT", "never")
        .env("PHASELOG_ALLOW_NETWORK", "1")
        .env_remove("PHASELOG_NOW")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// The small store on a real disk, with three bytes of one record hurt.
fn on_disk(hurt: bool) -> (tempfile::TempDir, std::path::PathBuf) {
    let disk = small_store();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join(DIR);
    let middle = segments(&disk)[1].clone();
    let real = phaselog::Ports::real().disk;
    for (path, bytes) in disk.files() {
        let to = temp.path().join(path.trim_start_matches('/'));
        match bytes {
            None => drop(real.create_dir(&to)),
            Some(mut bytes) => {
                if hurt && path == middle {
                    let at = bytes.len() - 60;
                    bytes[at..at + 3].copy_from_slice(b"???");
                }
                real.create_new(&to)
                    .unwrap()
                    .write_full_at(0, &bytes)
                    .unwrap();
            }
        }
    }
    (temp, dir)
}

#[test]
fn exit_statuses_and_words() {
    let (_temp, dir) = on_disk(false);
    assert_eq!(run(&dir, &["verify"]).0, 0);
    assert_eq!(run(&dir, &["verify", "--deep"]).0, 0);
    let (status, out, _) = run(&dir, &["repair"]);
    assert_eq!(
        (status, &*out),
        (0, "nothing to do: the log can be read to its end\n")
    );
    assert_eq!(run(&dir, &["repair", "--apply"]).0, 0);

    let (_temp, dir) = on_disk(true);
    let (status, out, _) = run(&dir, &["verify"]);
    assert_eq!(status, 7);
    let fields: Vec<&str> = out.lines().next().unwrap().split('\t').collect();
    assert_eq!(
        (fields.len(), fields[0], fields[1]),
        (5, "damage", "V-CRC"),
        "{out}"
    );
    let (status, json, _) = run(&dir, &["--json", "verify"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (status, &json["verdict"], &json["schema_version"]),
        (7, &"damaged".into(), &1.into())
    );
    let finding = &json["findings"][0];
    let keys: Vec<&str> = finding
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let wanted = "code severity file byte bytes seq items items_certain witness message next";
    assert_eq!(keys.join(" "), wanted);
    let seq = finding["seq"].to_string();

    let (status, out, err) = run(&dir, &["repair"]);
    assert_eq!(status, 3);
    let range = format!("--accept-loss {seq}..{seq}");
    assert!(err.contains(&range), "{out}{err}");
    assert!(
        out.contains("  ") && out.contains("lost:"),
        "item by item: {out}"
    );
    assert_eq!(run(&dir, &["repair", "--apply"]).0, 7);
    assert_eq!(
        run(&dir, &["repair", "--apply", "--accept-loss", "1..2"]).0,
        7
    );
    assert_eq!(run(&dir, &["repair", "--accept-loss", "1..2"]).0, 2);
    assert_eq!(run(&dir, &["verify"]).0, 7);
    let typed = format!("{seq}..{seq}");
    let (status, out, _) = run(&dir, &["repair", "--apply", "--accept-loss", &typed]);
    assert_eq!(status, 3, "{out}");
    let (status, out, _) = run(&dir, &["verify"]);
    assert_eq!(
        (status, out.starts_with("warning\tV-LOST\t")),
        (3, true),
        "{out}"
    );
    assert_eq!(run(&dir, &["add", "another"]).0, 0);
    assert_eq!(run(&dir, &["repair", "--restored", "--apply"]).0, 0);
    assert_eq!(run(&dir, &["add", "one more"]).0, 0);
}
