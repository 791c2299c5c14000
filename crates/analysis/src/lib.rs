//! ringfence-analysis
