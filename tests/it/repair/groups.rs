//! A group is all or nothing, whatever of it is hurt.

use crate::support::Lab;

const SEGMENT: &str = "data/wal/00000000000000000001.wal";

/// What is done to a line.
type Hurt = fn(&mut Vec<u8>);

/// Four single items, a group of three, a single one; the lines of the segment, each with its newline.
fn lab() -> (Lab, Vec<Vec<u8>>) {
    let lab = Lab::new();
    lab.must(&["init", "--phase", "p", "one"]);
    lab.must(&["add", "a", "b", "c"]);
    lab.must(&["add", "after"]);
    lab.must(&["add", "last"]);
    let bytes = std::fs::read(lab.path(SEGMENT)).unwrap();
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let lines = lines.map(<[u8]>::to_vec).collect();
    (lab, lines)
}

/// Mends what is hurt, giving up what the plan lists, and gives the items that are left.
fn mended(lab: &Lab, what: &str) -> Vec<String> {
    let told = lab.run(&["--json", "repair"]);
    let plan: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    let ranges: Vec<String> = plan["lost"]
        .as_array()
        .unwrap()
        .iter()
        .map(|range| format!("{}..{}", range["first_seq"], range["seq"]))
        .collect();
    let accept = ranges.join(",");
    let done = lab.run(&["repair", "--apply", "--accept-loss", &accept]);
    assert_eq!(done.exit, Some(3), "{what}: {}", done.text());
    let verified = lab.run(&["verify", "--deep"]);
    assert!(
        matches!(verified.exit, Some(0 | 3)),
        "{what}: {}",
        verified.text()
    );
    let list = lab.must(&["list"]).stdout;
    let items = list.lines().filter_map(|line| line.split('\t').next());
    items.map(str::to_owned).collect()
}

/// Once the rest of a group stayed where its first line was hurt beyond its own word that more follows, and where its last
/// line was hurt the innocent next record went with it.
#[test]
fn a_group_goes_as_a_whole_and_alone() {
    // The lines: header, plan, one, then the group.
    for line in [3, 4, 5] {
        let kinds: [(&str, Hurt); 4] = [
            ("zeros", |line| {
                let end = line.len() - 1;
                line[..end].fill(0);
            }),
            ("head", |line| line[..30].fill(b'?')),
            ("gone", Vec::clear),
            ("middle", |line| line[40..60].fill(b'?')),
        ];
        for (kind, hurt) in kinds {
            let (lab, mut lines) = lab();
            hurt(&mut lines[line]);
            std::fs::write(lab.path(SEGMENT), lines.concat()).unwrap();
            let what = format!("line {line}: {kind}");
            assert_eq!(mended(&lab, &what), ["one", "after", "last"], "{what}");
        }
    }
}
