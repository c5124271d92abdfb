//! See `phaselog::testing::fuzz::import_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| phaselog::testing::fuzz::import_file(bytes));
