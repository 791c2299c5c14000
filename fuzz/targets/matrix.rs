//! Feeds libFuzzer's inputs to [`ringfence_fuzz::matrix`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringfence_fuzz::matrix(data));
