//! A lab that is up. In: a topology, later changed ones. Out: a namespace for every pod, every node and the outside host, with
//! packets between them, until it is dropped or the process ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    process::{Child, Command},
    sync::atomic::{AtomicUsize, Ordering},
};

use ringfence_dataplane::{
    netlink::{self, Nftables},
    nft, reconcile,
};
use ringfence_model::{address::Family, cluster::Cluster, workload::PodId};
use thiserror::Error;

use crate::{
    build::{self, Site},
    dns::{self, Presence, ResponderError},
    exec,
    link::{LinkError, Request, Table},
    namespace::{Namespace, NamespaceError},
    plan::{NodePlace, PodKey, PodPlace, Topology},
    service,
    sysctl::{Role, SettingError},
};

/// Why a lab could not be built or changed.
#[derive(Debug, Error)]
pub enum LabError {
    /// Namespaces cannot be had.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The kernel refused a link, an address or a route.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A setting of a namespace could not be written.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The kernel refused the table of Services.
    #[error("cannot set up Services: {0}")]
    Services(#[from] netlink::Error),
    /// DNS cannot be answered.
    #[error(transparent)]
    Dns(#[from] ResponderError),
    /// A topology that does not continue the one that is up.
    #[error(
        "the families, nodes and addresses of nodes of a lab that is up cannot change ({0}): start it anew"
    )]
    Different(String),
}

/// How far building is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Namespaces made, of so many.
    Namespaces {
        /// Made so far.
        made: usize,
        /// To be made.
        of: usize,
    },
    /// All namespaces are there; links, addresses and routes follow.
    Wiring,
    /// The network is up.
    Up,
}

/// What an update changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Pods that are new (or have moved), by their keys.
    pub added: Vec<PodKey>,
    /// Pods that are gone (or have moved).
    pub removed: Vec<PodKey>,
}

/// A lab that is up. Dropping it, or the end of the process, removes everything.
#[derive(Debug)]
pub struct Lab {
    topology: Topology,
    fabric: Site,
    outside: Site,
    nodes: Vec<Site>,
    /// The namespaces of pods that are not on their node's network.
    pods: BTreeMap<PodKey, Namespace>,
    services: Services,
    dns: Option<Presence>,
}

/// Services, in every node and in the fabric, where connections from outside come by.
#[derive(Debug)]
struct Services {
    tables: Vec<Nftables>,
    /// What is loaded; nothing before there is the first Service.
    loaded: Option<nft::Table>,
}

impl Services {
    fn open<'a>(places: impl Iterator<Item = &'a Namespace>) -> Result<Self, LabError> {
        let tables: Result<Vec<Nftables>, LabError> =
            places.map(|place| Ok(place.run(Nftables::open)??)).collect();
        Ok(Self { tables: tables?, loaded: None })
    }

    /// Loads the table of a cluster, or what has changed of it.
    fn set(&mut self, cluster: &Cluster) -> Result<(), LabError> {
        if cluster.services.is_empty() && self.loaded.is_none() {
            return Ok(());
        }
        let table = service::table(cluster);
        let change = match &self.loaded {
            Some(loaded) => reconcile::diff(loaded, &table),
            None => reconcile::Transaction::load(&table),
        };
        for place in &mut self.tables {
            place.apply(&change)?;
        }
        self.loaded = Some(table);
        Ok(())
    }
}

impl Lab {
    /// Builds the network of a topology. The process must have entered namespaces of its own ([`crate::namespace::enter`]).
    ///
    /// # Errors
    /// When the kernel refuses a namespace, a link or a setting; nothing of the lab stays then.
    pub fn up(topology: Topology, on_progress: &(dyn Fn(Progress) + Sync)) -> Result<Self, LabError> {
        let own = |pod: &&PodPlace| pod.link.is_some();
        let pods: Vec<&PodPlace> = topology.pods.iter().filter(own).collect();
        let of = 2 + topology.nodes.len() + pods.len();
        let made = AtomicUsize::new(0);
        let count = || {
            let made = made.fetch_add(1, Ordering::Relaxed) + 1;
            on_progress(Progress::Namespaces { made, of });
        };
        let families = &topology.families;
        let mut fabric = build::first_site(Role::Router, families).inspect(|_| count())?;
        let mut outside = build::site(Role::Anybody, families).inspect(|_| count())?;
        let mut nodes = build::sites(topology.nodes.len(), Role::Router, families, &count)?;
        let mut pod_sites = build::sites(pods.len(), Role::Host, families, &count)?;
        on_progress(Progress::Wiring);

        let mut links = vec![build::pair(topology.outside_link, &outside.namespace, &fabric.namespace)];
        for (place, site) in topology.nodes.iter().zip(&nodes) {
            links.push(build::pair(place.link, &site.namespace, &fabric.namespace));
        }
        for (place, site) in pods.iter().zip(&pod_sites) {
            if let (Some(link), Some(node)) = (place.link, nodes.get(place.node)) {
                links.push(build::pair(link, &site.namespace, &node.namespace));
            }
        }
        fabric.routes.apply(&links)?;

        let gateway = topology.gateway;
        let mut at_fabric = build::fabric(&topology);
        let mut at_nodes: Vec<Vec<Request>> = Vec::new();
        for place in &topology.nodes {
            at_fabric.extend(build::far_neighbours(place.link, &topology.families, gateway));
            at_fabric.extend(build::far_routes(place.link, &place.addresses, gateway));
            at_nodes.push(build::near_end(place.link, &place.addresses, &topology.families, gateway));
        }
        for (place, site) in pods.iter().zip(&mut pod_sites) {
            let (Some(link), Some(node)) = (place.link, topology.nodes.get(place.node)) else { continue };
            site.routes.apply(&build::near_end(link, &place.addresses, &families_of(place), gateway))?;
            let ways = build::ways_to(place, node, &topology);
            at_fabric.extend(ways.fabric);
            if let Some(at_node) = at_nodes.get_mut(place.node) {
                at_node.extend(ways.node);
            }
        }
        fabric.routes.apply(&at_fabric)?;
        for (site, requests) in nodes.iter_mut().zip(&at_nodes) {
            site.routes.apply(requests)?;
        }
        outside.routes.apply(&build::outside(&topology, &inside(&topology)))?;

        let pods =
            pods.iter().zip(pod_sites).map(|(place, site)| (place.key.clone(), site.namespace)).collect();
        let mut services = Services::open(nodes.iter().chain([&fabric]).map(|site| &site.namespace))?;
        services.set(&topology.cluster)?;
        let lab = Self { topology, fabric, outside, nodes, pods, services, dns: None };
        on_progress(Progress::Up);
        Ok(lab)
    }

    /// What is up.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The completed cluster: what the engine is to be asked about.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.topology.cluster
    }

    /// Each node and its namespace, in the order of the cluster's nodes. Enforcement goes here.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (&NodePlace, &Namespace)> {
        self.topology.nodes.iter().zip(self.nodes.iter().map(|site| &site.namespace))
    }

    /// Each running pod and its namespace (its node's if it is on the host network), in the order of the cluster's pods.
    pub fn pods(&self) -> impl Iterator<Item = (&PodPlace, &Namespace)> {
        self.topology.pods.iter().filter_map(|place| Some((place, self.namespace_of(place)?)))
    }

    /// The namespace of a pod of the completed cluster; nothing for a finished one.
    #[must_use]
    pub fn pod(&self, id: PodId) -> Option<&Namespace> {
        self.namespace_of(self.topology.pod(id)?)
    }

    /// The namespace of the host that has every address outside.
    #[must_use]
    pub fn outside(&self) -> &Namespace {
        &self.outside.namespace
    }

    /// The namespace of the router between the nodes and the outside host.
    #[must_use]
    pub fn fabric(&self) -> &Namespace {
        &self.fabric.namespace
    }

    fn namespace_of(&self, place: &PodPlace) -> Option<&Namespace> {
        match place.link {
            Some(_) => self.pods.get(&place.key),
            None => self.nodes.get(place.node).map(|site| &site.namespace),
        }
    }

    /// Changes what is up into another topology, made by [`crate::plan::replan`] from the present one: pods and Services come
    /// and go, what stays is not touched.
    ///
    /// # Errors
    /// When nodes or families differ, or the kernel refuses; the lab is then of no further use.
    pub fn update(&mut self, topology: Topology) -> Result<Changed, LabError> {
        self.same_ground(&topology)?;
        let placed = |topology: &Topology| -> BTreeMap<PodKey, PodPlace> {
            let own = topology.pods.iter().filter(|pod| pod.link.is_some());
            own.map(|pod| (pod.key.clone(), pod.clone())).collect()
        };
        let (before, after) = (placed(&self.topology), placed(&topology));
        let mut changed = Changed::default();
        for (key, place) in &before {
            if after.get(key).is_none_or(|now| now.link != place.link) {
                self.remove(place)?;
                changed.removed.push(key.clone());
            }
        }
        // What goes makes room first: an address can change hands, from a Service to a pod too.
        let then = service::virtual_addresses(&self.topology.cluster);
        let now = service::virtual_addresses(&topology.cluster);
        let gone: Vec<Request> = then
            .difference(&now)
            .map(|address| Request::RemoveRoute(Table::Local, (*address).into()))
            .collect();
        self.outside.routes.apply(&gone)?;
        for (key, place) in &after {
            if before.get(key).is_none_or(|then| then.link != place.link) {
                self.add(place, &topology)?;
                changed.added.push(key.clone());
            }
        }
        let new: Vec<Request> =
            now.difference(&then).map(|address| build::into_cluster(*address, topology.gateway)).collect();
        self.outside.routes.apply(&new)?;
        self.services.set(&topology.cluster)?;
        self.topology = topology;
        if let Some(mut dns) = self.dns.take() {
            dns.follow(self)?;
            self.dns = Some(dns);
        }
        Ok(changed)
    }

    /// Answers DNS from now on, and follows the updates: see [`crate::dns`] for where. What else listens there must leave
    /// [`dns::places`] alone.
    ///
    /// # Errors
    /// When something listens there already.
    pub fn answer_dns(&mut self) -> Result<(), LabError> {
        self.dns = Some(Presence::start(self)?);
        Ok(())
    }

    /// Starts a command in a pod, with the pod's `/etc/resolv.conf`.
    ///
    /// # Errors
    /// When there is no such pod, or the command cannot be started.
    pub fn spawn(&self, id: PodId, command: &mut Command) -> io::Result<Child> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such pod runs");
        let (pod, place) = (self.cluster().pod(id).ok_or_else(missing)?, self.pod(id).ok_or_else(missing)?);
        exec::spawn(place, &dns::resolv_conf(self.cluster(), &pod.namespace), command)
    }

    fn same_ground(&self, topology: &Topology) -> Result<(), LabError> {
        let different = |what: &str| Err(LabError::Different(what.to_owned()));
        if topology.families != self.topology.families {
            return different("the families are others");
        }
        if topology.nodes != self.topology.nodes {
            return different("the nodes are others");
        }
        Ok(())
    }

    fn add(&mut self, place: &PodPlace, topology: &Topology) -> Result<(), LabError> {
        let (Some(link), Some(home)) = (place.link, topology.nodes.get(place.node)) else { return Ok(()) };
        let Some(node) = self.nodes.get_mut(place.node) else { return Ok(()) };
        let mut site = build::site(Role::Host, &topology.families)?;
        node.routes.apply(&[build::pair(link, &site.namespace, &node.namespace)])?;
        site.routes.apply(&build::near_end(link, &place.addresses, &families_of(place), topology.gateway))?;
        let ways = build::ways_to(place, home, topology);
        node.routes.apply(&ways.node)?;
        self.fabric.routes.apply(&ways.fabric)?;
        self.outside.routes.apply(&ways.outside)?;
        self.pods.insert(place.key.clone(), site.namespace);
        Ok(())
    }

    fn remove(&mut self, place: &PodPlace) -> Result<(), LabError> {
        let ways = build::ways_gone(place);
        if let Some(node) = self.nodes.get_mut(place.node) {
            node.routes.apply(&ways.node)?;
        }
        self.fabric.routes.apply(&ways.fabric)?;
        self.outside.routes.apply(&ways.outside)?;
        self.pods.remove(&place.key);
        Ok(())
    }
}

fn families_of(place: &PodPlace) -> Vec<Family> {
    let families: BTreeSet<Family> = place.addresses.iter().map(|address| Family::of(*address)).collect();
    families.into_iter().collect()
}

/// Every address that is in the cluster.
fn inside(topology: &Topology) -> Vec<IpAddr> {
    let mut all = service::virtual_addresses(&topology.cluster);
    all.extend(topology.nodes.iter().flat_map(|node| &node.addresses));
    all.extend(topology.pods.iter().flat_map(|pod| &pod.addresses));
    all.into_iter().collect()
}
