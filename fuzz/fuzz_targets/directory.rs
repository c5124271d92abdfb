//! See `phaselog::testing::fuzz::directory`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| phaselog::testing::fuzz::directory(bytes));
