//! What is known about a cluster beside its policies: where its resolver is, who lets connections in from outside, what
//! scrapes metrics. In: the cluster and what is stated. Out: facts, each inferred from what the manifests show, or stated;
//! what is not known is empty, and the rules that need it keep silent.

mod api_server;
pub(crate) mod backends;
pub mod cni;
mod controllers;
pub(crate) mod dns;
mod images;
mod prometheus;
mod sensitive;

use ringfence_model::{
    address,
    cluster::Cluster,
    origin::Origin,
    workload::{PodId, WorkloadId},
};

use crate::context::Context;

pub use api_server::ApiServer;
pub use cni::Cni;
pub use controllers::{Controller, Family};
pub use dns::{LocalResolver, Resolver};
pub use prometheus::Scraper;
pub use sensitive::Sensitive;

/// How a fact is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where the manifest shows it; nothing for what is stated.
    pub origin: Origin,
    /// In words that follow a name: ``Service `kube-system/kube-dns` ``, `stated in the settings`.
    pub words: String,
}

impl Evidence {
    fn new(origin: Origin, words: impl Into<String>) -> Self {
        Self { origin, words: words.into() }
    }

    fn stated() -> Self {
        Self::new(Origin::NONE, "stated in the settings")
    }
}

/// Facts about a cluster.
#[derive(Debug, Default)]
pub struct Facts {
    /// The CNI.
    pub cni: Option<Cni>,
    /// What answers the pods' DNS questions: one entry for each of its Services, or workloads.
    pub dns: Vec<Resolver>,
    /// Addresses at which a resolver listens on every node.
    pub node_local_dns: Vec<LocalResolver>,
    /// Where the API server listens.
    pub api_server: Vec<ApiServer>,
    /// What passes connections from outside on to Services: ingress controllers and the pods of gateways.
    pub controllers: Vec<Controller>,
    /// What scrapes metrics.
    pub prometheus: Vec<Scraper>,
    /// What holds data or secrets, in the order of the workloads.
    pub sensitive: Vec<Sensitive>,
    /// The families of the cluster ([`Cluster::families`], which looks at every address).
    pub families: Vec<address::Family>,
    /// The controllers that the IngressClasses of the input name: class and controller, in the order of the texts.
    ingress_classes: Vec<(String, String)>,
}

impl Facts {
    /// Everything that the manifests show.
    #[must_use]
    pub fn new(context: &Context<'_>) -> Self {
        Self {
            cni: Cni::find(context),
            dns: dns::resolvers(context),
            node_local_dns: dns::local(context),
            api_server: api_server::endpoints(context),
            controllers: controllers::controllers(context),
            prometheus: prometheus::scrapers(context),
            sensitive: sensitive::find(context.cluster, context.settings),
            families: context.families().to_vec(),
            ingress_classes: controllers::classes(context),
        }
    }

    /// The controllers that serve an Ingress of this class. Empty if none that the input shows does.
    #[must_use]
    pub fn controllers_of(&self, class: Option<&str>) -> Vec<&Controller> {
        let named = |controller: &&Controller| {
            let Some(class) = class else { return true };
            let by_class = self.ingress_classes.iter().filter(|(name, _)| name == class);
            controller.classes.iter().any(|own| own == class)
                || controller.family.word().is_some_and(|word| {
                    (controller.classes.is_empty() && class == word)
                        || by_class.clone().any(|(_, named)| named.contains(word))
                })
        };
        let ingress = self.controllers.iter().filter(|controller| controller.gateway.is_none());
        ingress.filter(named).collect()
    }

    /// The pods of a Gateway. Empty if the input shows none.
    #[must_use]
    pub fn controllers_of_gateway(&self, namespace: &str, name: &str) -> Vec<&Controller> {
        let own = |controller: &&Controller| {
            controller.gateway.as_ref().is_some_and(|(of, called)| of == namespace && called == name)
        };
        self.controllers.iter().filter(own).collect()
    }
}

/// The pods of a workload that is stated as `namespace/name`, whatever its kind.
fn stated_workload(cluster: &Cluster, stated: &str) -> Option<(WorkloadId, Vec<PodId>)> {
    let (namespace, name) = stated.split_once('/')?;
    let at = (cluster.workloads.iter())
        .position(|workload| *workload.namespace == *namespace && *workload.name == *name)?;
    let workload = cluster.workloads.get(at)?;
    Some((WorkloadId(u32::try_from(at).ok()?), workload.pods.clone()))
}
