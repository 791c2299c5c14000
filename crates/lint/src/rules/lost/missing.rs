//! The policies that are missing for a connection. In: samples of what is cut. Out: NetworkPolicies as YAML, after the engine has
//! let the samples through with them.

use std::{collections::BTreeMap, sync::Arc};

use ringfence_analysis::explain::{labels, yaml};
use ringfence_manifest::edit::{Edit, append_document};
use ringfence_model::{
    Text,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    label::{Labels, Selector},
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyKind, PolicyMeta},
    origin::{Origin, SourceId},
    port::{PortMatch, PortSpec, Protocol},
    verdict::{Direction, Outcome, Reason},
    workload::{PodId, Workload, WorkloadId},
};
use ringfence_policy::Compiled;

use super::{
    passage::{Cut, listed},
    written::written,
};
use crate::{
    context::Context,
    finding::{Claim, Finding},
    rule::Severity,
};

/// Policies that let cut connections through.
#[derive(Default)]
pub(super) struct Missing {
    policies: Vec<NetworkPolicy>,
    flows: Vec<Flow>,
    /// A rule denies outright, or a workload cannot be selected: no NetworkPolicy helps.
    stuck: bool,
}

impl Missing {
    /// What lets workloads connect to others at some ports, as far as samples show that a side denies it.
    pub(super) fn between(
        context: &Context<'_>,
        from: &[WorkloadId],
        to: &[WorkloadId],
        ports: &[PortMatch],
        cuts: &[&Cut],
    ) -> Self {
        let mut missing = Self::default();
        missing.flows.extend(cuts.iter().map(|cut| cut.flow.clone()));
        for direction in [Direction::Egress, Direction::Ingress] {
            if !cuts.iter().any(|cut| cut.denies(direction)) {
                continue;
            }
            missing.stuck |= cuts.iter().any(|cut| !is_isolation(cut, direction));
            let (subjects, others, joint) = match direction {
                Direction::Egress => (from, to, "to"),
                Direction::Ingress => (to, from, "from"),
            };
            for subject in subjects {
                missing.side(context, direction, *subject, others, joint, ports);
            }
        }
        missing
    }

    fn side(
        &mut self,
        context: &Context<'_>,
        direction: Direction,
        subject: WorkloadId,
        others: &[WorkloadId],
        joint: &str,
        ports: &[PortMatch],
    ) {
        let cluster = context.cluster;
        let Some(own) = cluster.workload(subject) else { return };
        let mut peers = Vec::new();
        for other in others {
            let chosen = labels::for_workload(cluster, *other);
            let (Some(peer), Some(chosen)) = (cluster.workload(*other), chosen) else {
                self.stuck = true;
                return;
            };
            let namespace = (own.namespace != peer.namespace).then(|| labels::for_namespace(&peer.namespace));
            peers.push(NetworkPeer::Pods { namespace, pod: Some(chosen.selector), origin: Origin::NONE });
        }
        let Some(chosen) = labels::for_workload(cluster, subject) else {
            self.stuck = true;
            return;
        };
        let other = others.first().and_then(|id| cluster.workload(*id)).map_or("", |known| &known.name);
        let name = format!("{}-{joint}-{other}", own.name);
        self.add(cluster, &own.namespace, &name, chosen.selector, direction, peers, ports);
    }

    /// One policy for everybody that some pods are cut off from: `peers` may be none, which is everyone.
    #[expect(clippy::too_many_arguments, reason = "a policy has that many parts")]
    pub(super) fn opening(
        context: &Context<'_>,
        namespace: &Text,
        name: &str,
        subject: Selector,
        direction: Direction,
        peers: Vec<NetworkPeer>,
        ports: &[PortMatch],
        cuts: &[&Cut],
    ) -> Self {
        let mut missing = Self::default();
        missing.flows.extend(cuts.iter().map(|cut| cut.flow.clone()));
        missing.stuck = cuts.iter().any(|cut| !is_isolation(cut, direction));
        missing.add(context.cluster, namespace, name, subject, direction, peers, ports);
        missing
    }

    #[expect(clippy::too_many_arguments, reason = "a policy has that many parts")]
    fn add(
        &mut self,
        cluster: &Cluster,
        namespace: &Text,
        name: &str,
        subject: Selector,
        direction: Direction,
        peers: Vec<NetworkPeer>,
        ports: &[PortMatch],
    ) {
        let is_egress = direction == Direction::Egress;
        let taken = |name: &str| {
            let known = cluster.network_policies.iter().chain(&self.policies);
            known
                .map(|policy| &policy.meta)
                .any(|meta| meta.namespace.as_ref() == Some(namespace) && *meta.name == *name)
        };
        let numbered = (2..u32::MAX).map(|number| format!("{name}-{number}"));
        let free =
            std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default();
        let bare = |entry: &PortMatch| PortMatch { origin: Origin::NONE, ..entry.clone() };
        let ports = ports.iter().map(bare).collect();
        let rule = NetworkRule { peers, ports, origin: Origin::NONE };
        let mut policy = NetworkPolicy {
            meta: meta(namespace, &free),
            subject,
            isolates_ingress: !is_egress,
            isolates_egress: is_egress,
            ingress: Vec::new(),
            egress: Vec::new(),
        };
        if is_egress {
            policy.egress.push(rule);
        } else {
            policy.ingress.push(rule);
        }
        let known = |known: &NetworkPolicy| {
            known.subject == policy.subject
                && known.ingress == policy.ingress
                && known.egress == policy.egress
                && known.meta.namespace == policy.meta.namespace
        };
        if !self.policies.iter().any(known) {
            self.policies.push(policy);
        }
    }

    /// The policies, tried out or not.
    pub(super) fn policies(&self) -> &[NetworkPolicy] {
        &self.policies
    }

    /// The manifests, if the engine lets every sample through with them.
    pub(super) fn checked(&self, context: &Context<'_>) -> Option<String> {
        if self.stuck || self.policies.is_empty() || self.flows.is_empty() {
            return None;
        }
        let (mut cluster, ids) = trial(context.cluster, &self.flows);
        cluster.network_policies.extend(self.policies.iter().cloned());
        cluster
            .network_policies
            .sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
        let judge = Compiled::new(cluster);
        let passes = self.flows.iter().all(|flow| {
            let end = |end: &Endpoint| match end {
                Endpoint::Pod(id) => ids.get(id).copied().map(Endpoint::Pod),
                other => Some(other.clone()),
            };
            let (Some(from), Some(to)) = (end(&flow.from), end(&flow.to)) else { return false };
            matches!(judge.outcome(&Flow { from, to, ..flow.clone() }), Outcome::Allow | Outcome::AllowIf)
        });
        passes.then(|| self.policies.iter().map(yaml::network_policy).collect::<Vec<_>>().join("---\n"))
    }

    /// Says what to do, and offers to add the policies: to the file with the policies that isolate the same pods, or else with
    /// others of the namespace.
    pub(super) fn advise(&self, context: &Context<'_>, what: &str, otherwise: &str, finding: &mut Finding) {
        let Some(yaml) = self.checked(context) else {
            finding.help(otherwise);
            return;
        };
        finding.help(self.introduced(&yaml, what));
        self.offer(context, finding);
    }

    /// Offers to add policies that have been tried out, where it is certain that they are missing. A file with another dialect
    /// alone gets none of this one.
    pub(super) fn offer(&self, context: &Context<'_>, finding: &mut Finding) {
        let cluster = context.cluster;
        if finding.severity != Severity::Error
            || (cluster.network_policies.is_empty() && !cluster.cilium_policies.is_empty())
        {
            return;
        }
        let names: Vec<String> = self.policies.iter().map(|policy| policy.meta.full_name()).collect();
        let what = if names.len() == 1 { "policy" } else { "policies" };
        let documents = self.policies.iter().map(|policy| {
            let home = home(cluster, policy).unwrap_or(finding.origin.source);
            append_document(&context.places, home, &written(policy))
        });
        let edits: Option<Vec<Vec<Edit>>> = documents.collect();
        let claim = Claim::Opens(self.flows.clone());
        finding.fix(format!("add the {what} {}", listed(&names)), edits.map(|edits| edits.concat()), claim);
    }

    fn introduced(&self, yaml: &str, what: &str) -> String {
        let (this, lets) =
            if self.policies.len() == 1 { ("this policy", "lets") } else { ("these policies", "let") };
        format!("add {this}, which {lets} {what}:\n{yaml}")
    }

    /// What to do: an introduction and the manifests, or what else there is to do.
    pub(super) fn help(&self, context: &Context<'_>, what: &str, otherwise: &str) -> String {
        match self.checked(context) {
            Some(yaml) => self.introduced(&yaml, what),
            None => otherwise.to_owned(),
        }
    }
}

/// The text that a policy belongs into: that of a policy which isolates the same pods, or of the last one of its namespace.
fn home(cluster: &Cluster, policy: &NetworkPolicy) -> Option<SourceId> {
    let mut others =
        cluster.network_policies.iter().filter(|other| other.meta.namespace == policy.meta.namespace);
    let same = others.clone().find(|other| other.subject == policy.subject);
    same.or_else(|| others.next_back()).map(|other| other.meta.origin.source)
}

fn meta(namespace: &Text, name: &str) -> Arc<PolicyMeta> {
    Arc::new(PolicyMeta {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(namespace.clone()),
        name: name.into(),
        labels: Labels::default(),
        annotations: Labels::default(),
        audit: false,
        origin: Origin::NONE,
    })
}

/// Whether a side denies for want of a rule, not by one.
fn is_isolation(cut: &Cut, direction: Direction) -> bool {
    let side = cut.side(direction);
    side.outcome != Outcome::Deny || side.reasons.iter().any(|reason| matches!(reason, Reason::Isolated(_)))
}

/// The cluster cut down to the pods of some connections and the policies that can be about them, and the numbers that these pods
/// have there.
fn trial(cluster: &Cluster, flows: &[Flow]) -> (Cluster, BTreeMap<PodId, PodId>) {
    let ends = flows.iter().flat_map(|flow| [&flow.from, &flow.to]);
    let pods = ends.filter_map(|end| match end {
        Endpoint::Pod(id) => Some(*id),
        _ => None,
    });
    let mut ids: BTreeMap<PodId, PodId> = pods.map(|id| (id, id)).collect();
    let mut small = Cluster {
        namespaces: cluster.namespaces.clone(),
        nodes: cluster.nodes.clone(),
        tier_policies: cluster.tier_policies.clone(),
        endpoint_slices: cluster.endpoint_slices.clone(),
        pod_cidrs: cluster.pod_cidrs.clone(),
        service_cidrs: cluster.service_cidrs.clone(),
        profile: cluster.profile,
        ..Cluster::default()
    };
    for (number, (id, new)) in (0..).zip(&mut ids) {
        let Some(pod) = cluster.pod(*id) else { continue };
        *new = PodId(number);
        if let Some(workload) = cluster.workload(pod.workload) {
            small.workloads.push(Workload { pods: vec![*new], ..workload.clone() });
        }
        let mut pod = pod.clone();
        pod.workload = WorkloadId(number);
        small.pods.push(pod);
    }
    let here = |namespace: &Text| small.pods.iter().any(|pod| pod.namespace == *namespace);
    let of_cluster = |meta: &PolicyMeta| meta.namespace.as_ref().is_none_or(here);
    small.network_policies =
        cluster.network_policies.iter().filter(|policy| of_cluster(&policy.meta)).cloned().collect();
    small.cilium_policies =
        cluster.cilium_policies.iter().filter(|policy| of_cluster(&policy.meta)).cloned().collect();
    small.services = cluster.services.iter().filter(|service| here(&service.namespace)).cloned().collect();
    (small, ids)
}

/// An entry for one port.
pub(super) fn port(protocol: Protocol, port: u16) -> PortMatch {
    PortMatch { protocol: Some(protocol), ports: PortSpec::Range(port, port), origin: Origin::NONE }
}
