//! See `phaselog::testing::fuzz::snapshot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| phaselog::testing::fuzz::snapshot(bytes));
