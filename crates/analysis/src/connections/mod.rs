//! Who can talk to whom. In: a compiled cluster and what to list. Out: connections between workloads (or pods) and
//! with the addresses outside, and where connections enter the cluster.

pub mod ends;
pub mod entries;
mod listing;
mod map;
pub mod permits;
mod units;

pub use self::{
    listing::{End, Listing, Targets, View},
    map::{Map, Outside, Row},
    units::{By, ClassId, Unit},
};
