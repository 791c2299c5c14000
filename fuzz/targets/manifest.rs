//! Feeds libFuzzer's inputs to [`ringfence_fuzz::manifest`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringfence_fuzz::manifest(data));
