//! See `phaselog::testing::fuzz::segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| phaselog::testing::fuzz::segment(bytes));
