//! Compiled programs, run by the interpreter, against the engine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agreement;
mod audit;
mod clusters;
mod epochs;
mod planner;
mod refusals;
mod stability;
