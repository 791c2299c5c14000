//! What a change opens and cuts.
