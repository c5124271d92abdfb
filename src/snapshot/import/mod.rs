//! STUB
#[derive(Debug)]
pub struct ImportedDocument {
    pub file: crate::pipeline::event::ImportedFile,
    pub items: Vec<()>,
}
impl ImportedDocument {
    pub fn events(&self) -> Vec<crate::pipeline::Event> {
        vec![]
    }
}
