//! What scrapes metrics. In: workloads; what is stated. Out: their pods.

use ringfence_model::workload::{PodId, WorkloadId};

use super::{Evidence, images, stated_workload};
use crate::context::Context;

/// A workload that scrapes metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scraper {
    /// The workload.
    pub workload: WorkloadId,
    /// Its pods, ascending.
    pub pods: Vec<PodId>,
    /// How it is known.
    pub evidence: Evidence,
}

/// Names of images of programs that scrape the targets of monitors and of the well-known annotations.
const IMAGES: [&str; 2] = ["prometheus", "vmagent"];

pub(super) fn scrapers(context: &Context<'_>) -> Vec<Scraper> {
    let cluster = context.cluster;
    let stated = &context.settings.cluster.prometheus;
    if !stated.is_empty() {
        let found = stated.iter().filter_map(|name| {
            let (workload, pods) = stated_workload(cluster, name)?;
            Some(Scraper { workload, pods, evidence: Evidence::stated() })
        });
        return found.collect();
    }
    let mut found = Vec::new();
    for (id, workload) in (0..).map(WorkloadId).zip(&cluster.workloads) {
        let Some(pod) = workload.pods.first().and_then(|id| cluster.pod(*id)) else { continue };
        let image = images::containers(pod).filter_map(images::last_name).find(|name| IMAGES.contains(name));
        if let Some(image) = image {
            let evidence = Evidence::new(workload.origin, format!("its image is `{image}`"));
            found.push(Scraper { workload: id, pods: workload.pods.clone(), evidence });
        }
    }
    found
}
