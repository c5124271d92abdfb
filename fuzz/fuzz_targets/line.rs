//! See `phaselog::testing::fuzz::line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| phaselog::testing::fuzz::line(bytes));
