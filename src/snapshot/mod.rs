//! STUB
pub mod import;
pub mod work_items {
    pub struct LogPlace {
        pub id: String,
        pub seq: crate::position::Seq,
        pub crc32: u32,
        pub sha256: String,
    }
    pub fn encode() {}
}
use work_items::LogPlace;
pub struct Found {
    pub state: crate::pipeline::PipelineState,
    pub place: LogPlace,
    pub total_bytes: u64,
}
#[derive(PartialEq, Clone, Copy)]
pub enum FindingKind {
    Edited,
    Foreign,
    Damaged,
}
pub struct Finding {
    pub file: std::path::PathBuf,
    pub kind: FindingKind,
    pub message: String,
}
pub struct Loaded {
    pub snapshot: Option<Found>,
    pub findings: Vec<Finding>,
}
pub fn load(_: &dyn crate::ports::Disk, _: &std::path::Path) -> crate::Result<Loaded> {
    Ok(Loaded {
        snapshot: None,
        findings: vec![],
    })
}
