//! Property tests on random clusters. A failure prints its seed and a shrunk case as a file of the corpus;
//! `RINGFENCE_SEED=N` looks at that cluster alone, `RINGFENCE_CLUSTERS=N` at more.

mod agreement;
mod audit;
mod changes;
mod common;
mod effects;
mod laws;
mod reach;
mod scope;
