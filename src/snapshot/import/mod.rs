//! Takes over a `work_items.json` that another program wrote: bytes in, values out.
//!
//! ```text
//!   bytes -> text -> tree (strict JSON with places) -> shape (w1 … w7, seed, own)
//!                      -> items and phases (words, times, unknown fields) -> plan -> checks
//!                      -> ImportedDocument: plan, items, findings  --events()-->  planned, imported, added …
//! ```
//!
//! Nothing is guessed silently: whatever is not as it should be becomes a [`Finding`] with its line and column, what
//! stood there, and what was decided. Whatever is not understood is carried along untouched.

mod place;
mod text;
mod tree;
mod parser;
mod scalar;
mod words;
mod times;

pub use times::Zone;
