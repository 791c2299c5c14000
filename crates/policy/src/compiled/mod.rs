//! The fast judge.
