//! Compiled programs, run by the interpreter, against the engine.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod agreement;
mod clusters;
mod refusals;
