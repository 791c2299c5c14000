//! What is to be built. In: a cluster as its manifests leave it, and options. Out: the same cluster with every node and
//! address filled in, and where each of them goes. Pure and deterministic: the same input gives the same topology.
//!
//! The completed cluster is what the engine is asked about, so that no verdict is unknown for want of an address.

mod address;
mod link;
mod mentioned;
mod node;
mod outside;
mod pod;
mod service;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ringfence_model::{
    IpNet, Text,
    address::Family,
    cluster::Cluster,
    workload::{Pod, PodId},
};
use thiserror::Error;

use self::{address::Book, mentioned::Mentioned};
pub use self::{
    address::unusable,
    link::Link,
    mentioned::plain as plain_name,
    outside::{Outside, Representative},
};

/// How many nodes there are where neither the manifests nor the caller say: two, so that there is traffic between nodes.
pub const DEFAULT_NODES: usize = 2;

/// What the manifests do not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How many nodes there should be at least; those of the manifests count. Nothing: those of the manifests, or
    /// [`DEFAULT_NODES`].
    pub nodes: Option<usize>,
    /// Both families for every node and pod, whatever the manifests show.
    pub dual_stack: bool,
    /// Addresses outside the cluster that somebody asks about (a matrix, say).
    pub addresses: Vec<IpAddr>,
    /// DNS names outside the cluster that somebody asks about, beside those that policies name.
    pub names: Vec<String>,
}

/// A pod across changes of the manifests: the position in [`Cluster::pods`] moves, this does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKey {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// Which of the pods of that name, from 0: stand-ins of one workload share its name.
    pub ordinal: u32,
}

impl fmt::Display for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)?;
        if self.ordinal > 0 { write!(f, "#{}", self.ordinal + 1) } else { Ok(()) }
    }
}

/// A node of the lab: a network namespace that routes for its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlace {
    /// Its name.
    pub name: Text,
    /// Its addresses: at least one of each family.
    pub addresses: Vec<IpAddr>,
    /// Its link to the fabric.
    pub link: Link,
}

/// A running pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodPlace {
    /// Which pod of the completed cluster.
    pub id: PodId,
    /// The same across changes.
    pub key: PodKey,
    /// Position of its node in [`Topology::nodes`].
    pub node: usize,
    /// Its addresses; a host-network pod has its node's.
    pub addresses: Vec<IpAddr>,
    /// Its link to its node; nothing for a host-network pod, which lives in its node's namespace.
    pub link: Option<Link>,
}

/// The next hop of every route of the lab. Every link has it at its other end, by a permanent neighbour entry, so no link
/// needs a subnet and no address is ever resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// For IPv4; link-local, and no address that anything in the lab has or is asked about.
    pub v4: Ipv4Addr,
    /// For IPv6; link-local.
    pub v6: Ipv6Addr,
}

impl Gateway {
    /// The next hop of a family.
    #[must_use]
    pub fn of(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.v4.into(),
            Family::V6 => self.v6.into(),
        }
    }
}

/// Everything that the lab builds.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The cluster with every node, address and ClusterIP filled in. Its pods are those of the input, in the same order.
    pub cluster: Cluster,
    /// The families in use, ascending.
    pub families: Vec<Family>,
    /// The next hop of every route.
    pub gateway: Gateway,
    /// The nodes, in the order of [`Cluster::nodes`].
    pub nodes: Vec<NodePlace>,
    /// The running pods, in the order of [`Cluster::pods`]. Finished ones are left out.
    pub pods: Vec<PodPlace>,
    /// The link between the fabric and the outside host.
    pub outside_link: Link,
    /// The host outside the cluster.
    pub outside: Outside,
    /// The outside addresses of the DNS names that policies or the caller name, lower case, without a final dot.
    pub names: BTreeMap<String, Vec<IpAddr>>,
}

impl Topology {
    /// The place of a pod by its position in the completed cluster; nothing for a finished one.
    #[must_use]
    pub fn pod(&self, id: PodId) -> Option<&PodPlace> {
        let at = self.pods.binary_search_by_key(&id, |place| place.id).ok()?;
        self.pods.get(at)
    }

    /// The pod of the model that a place is for.
    #[must_use]
    pub fn model(&self, place: &PodPlace) -> Option<&Pod> {
        self.cluster.pod(place.id)
    }
}

/// Why a cluster cannot be built: every reason, in the order found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PlanError(pub Vec<Obstacle>);

/// One reason why a cluster cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Obstacle {
    /// Two things have one address.
    #[error("{first} and {second} both have the address `{address}`: give one of them another, or none")]
    Shared {
        /// The address.
        address: IpAddr,
        /// The first that has it.
        first: String,
        /// The second.
        second: String,
    },
    /// An address that no packet can be routed to.
    #[error("{owner} has the address `{address}`, which is {why}: give it another, or none")]
    Unusable {
        /// The address.
        address: IpAddr,
        /// What has it.
        owner: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No free address is left in a network.
    #[error("no free {family} address is left for {owner}: state a larger network")]
    Exhausted {
        /// What needed one.
        owner: String,
        /// Of which family.
        family: &'static str,
    },
}

/// Plans a lab for a cluster.
///
/// # Errors
/// Two things with one address, an address that cannot be routed, a network without a free address; each by name.
pub fn plan(cluster: &Cluster, options: &Options) -> Result<Topology, PlanError> {
    plan_after(cluster, options, None)
}

/// Plans the lab of a changed cluster: what the earlier topology gave to a node, pod or Service that is still there, it keeps.
///
/// # Errors
/// As [`plan`].
pub fn replan(cluster: &Cluster, options: &Options, earlier: &Topology) -> Result<Topology, PlanError> {
    plan_after(cluster, options, Some(earlier))
}

fn plan_after(
    cluster: &Cluster,
    options: &Options,
    earlier: Option<&Topology>,
) -> Result<Topology, PlanError> {
    let mut families: BTreeSet<Family> = cluster.families().into_iter().collect();
    if options.dual_stack {
        families.extend(Family::BOTH);
    }
    let mut draft = Draft {
        cluster: cluster.clone(),
        families: families.into_iter().collect(),
        dual_stack: options.dual_stack,
        earlier,
        mentioned: Mentioned::of(cluster),
        book: Book::default(),
        links: link::Numbers::after(earlier),
    };
    draft.take_given();
    draft.keep_networks();
    let nodes = node::place(&mut draft, options.nodes);
    let pods = pod::place(&mut draft, &nodes);
    service::complete(&mut draft);
    let (outside, names) = outside::place(&mut draft, &options.addresses, &options.names);
    if !draft.book.obstacles.is_empty() {
        return Err(PlanError(draft.book.obstacles));
    }
    let gateway = earlier.map_or_else(|| address::gateway(&draft, &outside), |earlier| earlier.gateway);
    Ok(Topology {
        cluster: draft.cluster,
        families: draft.families,
        gateway,
        nodes,
        pods,
        outside_link: Link::OUTSIDE,
        outside,
        names,
    })
}

/// A topology on its way.
struct Draft<'a> {
    cluster: Cluster,
    families: Vec<Family>,
    dual_stack: bool,
    earlier: Option<&'a Topology>,
    mentioned: Mentioned,
    book: Book,
    links: link::Numbers,
}

impl Draft<'_> {
    /// The networks that the earlier topology chose, where the input still states none.
    fn keep_networks(&mut self) {
        let Some(earlier) = self.earlier else { return };
        let keep = |stated: &mut Vec<IpNet>, before: &[IpNet]| {
            if stated.is_empty() {
                stated.extend(before);
            }
        };
        keep(&mut self.cluster.pod_cidrs, &earlier.cluster.pod_cidrs);
        keep(&mut self.cluster.service_cidrs, &earlier.cluster.service_cidrs);
    }

    /// Enters every address of the input, so that none is given out a second time.
    fn take_given(&mut self) {
        for node in &self.cluster.nodes {
            for address in &node.addresses {
                self.book.take(*address, || format!("the node `{}`", node.name));
            }
        }
        for pod in self.cluster.pods.iter().filter(|pod| !pod.finished && !pod.host_network) {
            for address in &pod.addresses {
                self.book.take(*address, || called(pod));
            }
        }
        for service in &self.cluster.services {
            for address in &service.cluster_ips {
                self.book.take(*address, || format!("the Service `{}/{}`", service.namespace, service.name));
            }
        }
    }
}

/// A pod in a message.
fn called(pod: &Pod) -> String {
    format!("the pod `{}/{}`", pod.namespace, pod.name)
}

#[cfg(test)]
mod tests;
