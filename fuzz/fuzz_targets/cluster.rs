#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cri_shunt_fuzz::run("cluster", bytes));
