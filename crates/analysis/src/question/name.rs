//! Names to ends. In: a name as people write it. Out: the workload, pod, Service, address or outside name that it stands
//! for, or why it stands for none, with the names that are near.

use std::net::IpAddr;

use ringfence_model::{
    IpNet, Text,
    address::Family,
    cluster::Cluster,
    workload::{Pod, PodId, WorkloadId, WorkloadKind},
};

use super::{
    Problem,
    dns::{self, ClusterName},
};
use crate::nearest::{nearest, one_of};

/// Labels by which people call a workload, the most telling first.
const NAME_LABELS: [&str; 9] = [
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "name",
    "role",
    "tier",
    "run",
];

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All pods of a workload.
    Workload(WorkloadId),
    /// One pod.
    Pod(PodId),
    /// A Service: its position in the cluster's list, and the family of the address it was asked by.
    Service(usize, Option<Family>),
    /// An address that is no pod's and no Service's: of a node, or outside.
    Address(IpAddr),
    /// The addresses of a network that are not the cluster's own.
    Network(IpNet),
    /// All public addresses outside the cluster.
    Internet,
    /// A DNS name outside the cluster.
    Name(Text),
}

/// A resolved name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What it stands for.
    pub end: End,
    /// The name as asked.
    pub given: String,
    /// The full name: `shop/web`, `svc:shop/api`, an address, a DNS name, `internet`.
    pub full: String,
    /// How the name was understood, where that is not obvious.
    pub note: Option<String>,
}

/// Which end of the connection a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Who connects.
    Source,
    /// To whom.
    Destination,
}

/// Looks names up in a cluster.
pub struct Resolver<'a> {
    cluster: &'a Cluster,
    namespace: Option<&'a str>,
}

/// A kind that a name may carry.
enum Kind {
    Pod,
    Service,
    Workload(WorkloadKind),
}

impl<'a> Resolver<'a> {
    /// A resolver that looks bare names up in `namespace` first.
    #[must_use]
    pub fn new(cluster: &'a Cluster, namespace: Option<&'a str>) -> Self {
        Self { cluster, namespace }
    }

    /// What a name stands for.
    ///
    /// # Errors
    /// If nothing has the name, several things have it, or what has it takes no part in connections (a finished pod).
    pub fn resolve(&self, given: &str, role: Role) -> Result<Named, Problem> {
        let text = given.trim();
        if text.is_empty() {
            return Err(Problem::new("a name is missing").help("write a workload such as `shop/web`"));
        }
        let (end, note) = self.find(text, role)?;
        if let (End::Service(at, _), Role::Source) = (&end, role) {
            return Err(self.service_as_source(*at, text));
        }
        self.alive(&end)?;
        Ok(Named { full: full_name(self.cluster, &end), end, given: text.to_owned(), note })
    }

    fn find(&self, text: &str, role: Role) -> Result<(End, Option<String>), Problem> {
        if text.eq_ignore_ascii_case("internet") || text.eq_ignore_ascii_case("the internet") {
            return Ok((End::Internet, None));
        }
        if let Some(name) = text.strip_prefix("svc:").or_else(|| text.strip_prefix("service:")) {
            return self.service(name.trim()).map(|at| (End::Service(at, None), None));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(self.address(address));
        }
        if let Ok(net) = text.parse::<IpNet>() {
            if net.prefix_len() == net.max_prefix_len() {
                return Ok(self.address(net.addr()));
            }
            return Ok((End::Network(net.trunc()), None));
        }
        match text.split('/').collect::<Vec<_>>().as_slice() {
            [name] => self.bare(name, role),
            [first, name] => self.two(first, name, text, role),
            [namespace, kind, name] => {
                let kind = self.kind(kind).ok_or_else(|| {
                    Problem::new(format!("`{kind}` in `{text}` is not a kind of workload")).help(
                        "write `namespace/name`, or `namespace/kind/name` such as `shop/deployment/web`",
                    )
                })?;
                self.one(self.objects(Some(namespace), Some(&kind), name), text)
            }
            _ => Err(Problem::new(format!("`{text}` is not a name"))
                .help("write `namespace/name`, `svc:namespace/name`, an address, a DNS name or `internet`")),
        }
    }

    /// A name without a slash.
    fn bare(&self, name: &str, role: Role) -> Result<(End, Option<String>), Problem> {
        for scope in self.scopes() {
            let found = self.objects(scope, None, name);
            if !found.is_empty() {
                return self.one(found, name);
            }
        }
        for scope in self.scopes() {
            if let Some(found) = self.other_names(scope, name, role)? {
                return Ok(found);
            }
        }
        if name.contains('.') {
            return self.dns_name(name);
        }
        Err(self.unknown(name))
    }

    /// `namespace/name` or `kind/name`.
    fn two(&self, first: &str, name: &str, text: &str, role: Role) -> Result<(End, Option<String>), Problem> {
        if self.cluster.namespace(first).is_some() {
            let found = self.objects(Some(first), None, name);
            if !found.is_empty() {
                return self.one(found, text);
            }
            if let Some(found) = self.other_names(Some(first), name, role)? {
                return Ok(found);
            }
        }
        let Some(kind) = self.kind(first) else { return Err(self.unknown(text)) };
        for scope in self.scopes() {
            let found = self.objects(scope, Some(&kind), name);
            if !found.is_empty() {
                return self.one(found, text);
            }
        }
        Err(self.unknown(text))
    }

    /// Where a bare name is looked up: the preferred namespace, then everywhere.
    fn scopes(&self) -> impl Iterator<Item = Option<&'a str>> {
        self.namespace.into_iter().map(Some).chain([None])
    }

    /// Workloads with this name, else pods with it (of any workload), else Services if the kind says so.
    fn objects(&self, namespace: Option<&str>, kind: Option<&Kind>, name: &str) -> Vec<End> {
        let within = |of: &str| namespace.is_none_or(|namespace| *namespace == *of);
        let workloads = self.cluster.workloads.iter().enumerate().filter(|(_, workload)| {
            let asked = match kind {
                None => true,
                Some(Kind::Workload(kind)) => workload.kind == *kind,
                Some(Kind::Pod) => workload.kind == WorkloadKind::Pod,
                Some(Kind::Service) => false,
            };
            asked && *workload.name == *name && within(&workload.namespace)
        });
        let found: Vec<End> = workloads.map(|(at, _)| End::Workload(WorkloadId(number(at)))).collect();
        if !found.is_empty() {
            return found;
        }
        match kind {
            None | Some(Kind::Pod) => self
                .pods(within)
                .filter(|(_, pod)| *pod.name == *name && !pod.stand_in)
                .map(|(id, _)| End::Pod(id))
                .collect(),
            Some(Kind::Service) => self.services(within, name),
            Some(Kind::Workload(_)) => Vec::new(),
        }
    }

    fn pods(&self, within: impl Fn(&str) -> bool) -> impl Iterator<Item = (PodId, &'a Pod)> {
        let pods = self.cluster.pods.iter().enumerate().map(|(at, pod)| (PodId(number(at)), pod));
        pods.filter(move |(_, pod)| within(&pod.namespace))
    }

    fn services(&self, within: impl Fn(&str) -> bool, name: &str) -> Vec<End> {
        let services = self.cluster.services.iter().enumerate();
        services
            .filter(|(_, service)| *service.name == *name && within(&service.namespace))
            .map(|(at, _)| End::Service(at, None))
            .collect()
    }

    /// What goes by the name without being called so: a Service that no workload shares its name with (if the name is a
    /// destination), or the workload that bears it in a label.
    fn other_names(
        &self,
        namespace: Option<&str>,
        name: &str,
        role: Role,
    ) -> Result<Option<(End, Option<String>)>, Problem> {
        let within = |of: &str| namespace.is_none_or(|namespace| *namespace == *of);
        if role == Role::Destination {
            let services = self.services(within, name);
            if !services.is_empty() {
                let (end, _) = self.one(services, name)?;
                let note = format!(
                    "`{name}` is taken as `{}`: only a Service is called so",
                    full_name(self.cluster, &end)
                );
                return Ok(Some((end, Some(note))));
            }
        }
        for key in NAME_LABELS {
            let mut found: Vec<WorkloadId> = self
                .pods(within)
                .filter(|(_, pod)| !pod.finished && pod.labels.get(key).is_some_and(|value| **value == *name))
                .map(|(_, pod)| pod.workload)
                .collect();
            found.sort_unstable();
            found.dedup();
            if !found.is_empty() {
                let (end, _) = self.one(found.into_iter().map(End::Workload).collect(), name)?;
                let full = full_name(self.cluster, &end);
                let note = format!("`{name}` is taken as `{full}`, whose pods have the label `{key}={name}`");
                return Ok(Some((end, Some(note))));
            }
        }
        Ok(None)
    }

    /// The only one of what was found.
    fn one(&self, found: Vec<End>, text: &str) -> Result<(End, Option<String>), Problem> {
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Err(self.unknown(text)),
            (Some(end), None) => Ok((end, None)),
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(found);
                let names: Vec<String> = all.map(|end| full_name(self.cluster, &end)).collect();
                Err(Problem::new(format!("`{text}` is ambiguous: it could be {}", one_of(&names)))
                    .help("write one of them, or name a namespace with `-n`"))
            }
        }
    }

    fn service(&self, name: &str) -> Result<usize, Problem> {
        let (namespace, short) = match name.split_once('/') {
            Some((namespace, short)) => (Some(namespace), short),
            None => (None, name),
        };
        let scopes: Vec<Option<&str>> = match namespace {
            Some(namespace) => vec![Some(namespace)],
            None => self.scopes().collect(),
        };
        for scope in scopes {
            let found = self.services(|of| scope.is_none_or(|scope| *scope == *of), short);
            if !found.is_empty()
                && let (End::Service(at, _), _) = self.one(found, &format!("svc:{name}"))?
            {
                return Ok(at);
            }
        }
        let known =
            self.cluster.services.iter().map(|service| format!("{}/{}", service.namespace, service.name));
        let near: Vec<String> = nearest(name, known).into_iter().map(|name| format!("svc:{name}")).collect();
        Err(did_you_mean(format!("no Service is called `{name}`"), &near))
    }

    /// The pod, node or Service that has an address, or the address itself.
    fn address(&self, address: IpAddr) -> (End, Option<String>) {
        let is = |pod: &&Pod| !pod.finished && pod.addresses.contains(&address);
        if let Some((id, _)) = self.pods(|_| true).find(|(_, pod)| is(pod) && !pod.host_network) {
            return (End::Pod(id), None);
        }
        if self.cluster.node_of_address(address).is_some() {
            return (End::Address(address), None);
        }
        if let Some((id, _)) = self.pods(|_| true).find(|(_, pod)| is(pod)) {
            return (End::Pod(id), None);
        }
        let mut services = self.cluster.services.iter();
        if let Some(at) = services.position(|service| service.cluster_ips.contains(&address)) {
            return (End::Service(at, Some(Family::of(address))), None);
        }
        let mut services = self.cluster.services.iter();
        if let Some(at) = services.position(|service| service.external_ips.contains(&address)) {
            return (End::Service(at, Some(Family::of(address))), None);
        }
        let note = self.cluster.own_addresses().contains(address).then(|| {
            format!("`{address}` lies in the cluster's networks, but nothing in the input has it: it is judged as an address without labels")
        });
        (End::Address(address), note)
    }

    /// A name with dots that no object has.
    fn dns_name(&self, given: &str) -> Result<(End, Option<String>), Problem> {
        let name = given.strip_suffix('.').unwrap_or(given).to_ascii_lowercase();
        match dns::parse(&name) {
            Some(ClusterName::Service { namespace, service }) => {
                return self
                    .service(&format!("{namespace}/{service}"))
                    .map(|at| (End::Service(at, None), None));
            }
            Some(ClusterName::Host { namespace, service, host }) => {
                self.service(&format!("{namespace}/{service}"))?;
                return self
                    .pod_host(namespace, host)
                    .map(|end| (end, None))
                    .ok_or_else(|| self.unknown(given));
            }
            Some(ClusterName::Address(address)) => return Ok(self.address(address)),
            None => {}
        }
        if let Some((service, namespace)) = name.split_once('.')
            && self.cluster.namespace(namespace).is_some()
        {
            return self.service(&format!("{namespace}/{service}")).map(|at| (End::Service(at, None), None));
        }
        if dns::is_outside_name(&name) {
            return Ok((End::Name(name.into()), None));
        }
        Err(self.unknown(given))
    }

    /// The pod of a headless Service's host name: its own name, or replica N of a StatefulSet whose pods the input does
    /// not list.
    fn pod_host(&self, namespace: &str, host: &str) -> Option<End> {
        let within = |of: &str| *of == *namespace;
        if let Some((id, _)) = self.pods(within).find(|(_, pod)| *pod.name == *host && !pod.stand_in) {
            return Some(End::Pod(id));
        }
        let (set, _) = host.rsplit_once('-').filter(|(_, at)| at.parse::<u32>().is_ok())?;
        let stand_in = self.pods(within).find(|(_, pod)| {
            let kind = self.cluster.workload(pod.workload).map(|workload| &workload.kind);
            pod.stand_in && *pod.name == *set && kind == Some(&WorkloadKind::StatefulSet)
        });
        stand_in.map(|(id, _)| End::Pod(id))
    }

    fn service_as_source(&self, at: usize, text: &str) -> Problem {
        let problem = Problem::new(format!("`{text}` is a Service, and a Service starts no connection"));
        let Some(service) = self.cluster.services.get(at) else { return problem };
        let mut names: Vec<String> = self
            .pods(|of| *of == *service.namespace)
            .filter(|(_, pod)| {
                service.selector.as_ref().is_some_and(|wanted| pod.labels.contains_all(wanted))
            })
            .map(|(_, pod)| full_name(self.cluster, &End::Workload(pod.workload)))
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            problem
        } else {
            problem.help(format!("name the workload behind it: {}", one_of(&names)))
        }
    }

    /// Refuses finished pods: they take no part in connections.
    fn alive(&self, end: &End) -> Result<(), Problem> {
        let finished = match end {
            End::Pod(id) => self.cluster.pod(*id).is_some_and(|pod| pod.finished),
            End::Workload(id) => self.cluster.workload(*id).is_some_and(|workload| {
                workload.pods.iter().all(|id| self.cluster.pod(*id).is_some_and(|pod| pod.finished))
            }),
            _ => false,
        };
        if !finished {
            return Ok(());
        }
        let name = full_name(self.cluster, end);
        Err(Problem::new(format!(
            "`{name}` is finished (its phase is Succeeded or Failed): it takes no part in connections"
        ))
        .help("name a pod that runs"))
    }

    fn kind(&self, text: &str) -> Option<Kind> {
        let lower = text.to_ascii_lowercase();
        Some(match lower.as_str() {
            "pod" | "pods" | "po" => Kind::Pod,
            "service" | "services" | "svc" => Kind::Service,
            "deployment" | "deployments" | "deploy" => Kind::Workload(WorkloadKind::Deployment),
            "replicaset" | "replicasets" | "rs" => Kind::Workload(WorkloadKind::ReplicaSet),
            "replicationcontroller" | "replicationcontrollers" | "rc" => {
                Kind::Workload(WorkloadKind::ReplicationController)
            }
            "statefulset" | "statefulsets" | "sts" => Kind::Workload(WorkloadKind::StatefulSet),
            "daemonset" | "daemonsets" | "ds" => Kind::Workload(WorkloadKind::DaemonSet),
            "job" | "jobs" => Kind::Workload(WorkloadKind::Job),
            "cronjob" | "cronjobs" | "cj" => Kind::Workload(WorkloadKind::CronJob),
            _ => {
                let workload = self.cluster.workloads.iter().find(|workload| {
                    matches!(&workload.kind, WorkloadKind::Other(kind) if kind.eq_ignore_ascii_case(&lower))
                })?;
                Kind::Workload(workload.kind.clone())
            }
        })
    }

    fn unknown(&self, text: &str) -> Problem {
        let workloads =
            self.cluster.workloads.iter().map(|workload| format!("{}/{}", workload.namespace, workload.name));
        let pods = self.cluster.pods.iter().filter(|pod| !pod.stand_in);
        let pods = pods.map(|pod| format!("{}/{}", pod.namespace, pod.name));
        let services =
            self.cluster.services.iter().map(|service| format!("svc:{}/{}", service.namespace, service.name));
        let near = nearest(text, workloads.chain(pods).chain(services));
        did_you_mean(format!("no workload, pod or Service is called `{text}`"), &near)
    }
}

fn did_you_mean(message: String, near: &[String]) -> Problem {
    let problem = Problem::new(message);
    if near.is_empty() { problem } else { problem.help(format!("did you mean {}?", one_of(near))) }
}

/// The full name of an end. A workload whose name is shared by one of another kind carries its kind.
#[must_use]
pub fn full_name(cluster: &Cluster, end: &End) -> String {
    match end {
        End::Workload(id) => cluster.workload(*id).map_or_else(String::new, |workload| {
            let shares = |other: &&ringfence_model::workload::Workload| {
                other.namespace == workload.namespace && other.name == workload.name
            };
            if cluster.workloads.iter().filter(shares).count() > 1 {
                format!(
                    "{}/{}/{}",
                    workload.namespace,
                    workload.kind.as_str().to_ascii_lowercase(),
                    workload.name
                )
            } else {
                format!("{}/{}", workload.namespace, workload.name)
            }
        }),
        End::Pod(id) => {
            cluster.pod(*id).map_or_else(String::new, |pod| format!("{}/{}", pod.namespace, pod.name))
        }
        End::Service(at, _) => (cluster.services.get(*at))
            .map_or_else(String::new, |service| format!("svc:{}/{}", service.namespace, service.name)),
        End::Address(address) => address.to_string(),
        End::Network(net) => net.to_string(),
        End::Internet => "internet".to_owned(),
        End::Name(name) => name.to_string(),
    }
}

/// A position as the number that model ids hold.
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
