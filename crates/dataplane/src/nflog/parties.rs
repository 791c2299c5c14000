//! Who has which address. In: a cluster. Out: an index.

use std::net::IpAddr;

use ringfence_model::{cluster::Cluster, observed::Party};
use rustc_hash::FxHashMap;

/// The pods and nodes of a cluster by their addresses.
#[derive(Clone, Debug, Default)]
pub struct Parties(FxHashMap<IpAddr, Party>);

impl Parties {
    /// Indexes a cluster. An address that a pod has is the pod's; pods with their node's network are the node.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let mut index = FxHashMap::default();
        for node in &cluster.nodes {
            for address in &node.addresses {
                index.insert(*address, Party::Node(node.name.clone()));
            }
        }
        for pod in cluster.pods.iter().filter(|pod| !pod.finished && !pod.host_network) {
            for address in &pod.addresses {
                let party = Party::Pod { namespace: pod.namespace.clone(), name: pod.name.clone() };
                index.insert(*address, party);
            }
        }
        Self(index)
    }

    /// Who has the address.
    #[must_use]
    pub fn get(&self, address: IpAddr) -> Option<&Party> {
        self.0.get(&address)
    }
}
