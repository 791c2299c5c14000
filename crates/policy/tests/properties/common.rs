//! What the property tests share: which clusters they look at, and the judges.

use std::ops::Range;

use ringfence_model::cluster::Cluster;
use ringfence_policy::{Compiled, Judge, Reference, generate::Make};

pub(crate) use ringfence_policy::generate::Size;

/// Both judges, by their names.
pub(crate) const JUDGES: [(&str, Make); 2] = [("compiled", compiled), ("reference", reference)];

fn compiled(cluster: &Cluster) -> Box<dyn Judge + '_> {
    Box::new(Compiled::new(cluster.clone()))
}

fn reference(cluster: &Cluster) -> Box<dyn Judge + '_> {
    Box::new(Reference { cluster })
}

/// The seeds to look at. `RINGFENCE_SEED` asks for one alone, `RINGFENCE_CLUSTERS` for more or fewer.
pub(crate) fn clusters(usual: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("RINGFENCE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RINGFENCE_CLUSTERS").unwrap_or(usual),
    }
}
