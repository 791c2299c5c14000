//! Feeds libFuzzer's inputs to [`ringfence_fuzz::tree`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringfence_fuzz::tree(data));
