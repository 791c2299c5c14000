//! Default denies: policies that isolate every pod of a namespace and allow nothing. In: the policies of a cluster. Out: the
//! namespaces and directions that are meant to be closed.

use std::sync::Arc;

use ringfence_model::{
    Text, cilium::CiliumSubject, cluster::Cluster, network_policy::PolicyMeta, origin::Origin,
    verdict::Direction,
};

use crate::allow::{isolates, rules, spec_isolates};

/// A policy that denies, for every pod of its namespace, what no other policy allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DefaultDeny<'a> {
    /// The policy.
    pub meta: &'a Arc<PolicyMeta>,
    /// Its namespace.
    pub namespace: &'a Text,
    /// The direction.
    pub direction: Direction,
    /// Where its subject is written.
    pub subject: Origin,
}

/// Every default deny of a cluster, by direction.
pub(crate) fn default_denies(cluster: &Cluster) -> Vec<DefaultDeny<'_>> {
    let mut found = Vec::new();
    for policy in &cluster.network_policies {
        let Some(namespace) = policy.meta.namespace.as_ref() else { continue };
        for direction in [Direction::Ingress, Direction::Egress] {
            if policy.subject.is_empty()
                && !policy.meta.audit
                && isolates(policy, direction)
                && rules(policy, direction).is_empty()
            {
                let subject = policy.subject.origin;
                found.push(DefaultDeny { meta: &policy.meta, namespace, direction, subject });
            }
        }
    }
    for policy in cluster.cilium_policies.iter().filter(|policy| !policy.meta.audit) {
        let Some(namespace) = policy.meta.namespace.as_ref() else { continue };
        for spec in &policy.specs {
            let CiliumSubject::Endpoints(selector) = &spec.subject else { continue };
            for (direction, rules) in [(Direction::Ingress, &spec.ingress), (Direction::Egress, &spec.egress)]
            {
                let nothing =
                    rules.iter().all(|rule| rule.peers.as_ref().is_some_and(std::vec::Vec::is_empty));
                if selector.is_empty() && spec_isolates(spec, direction) && nothing {
                    let subject = selector.origin;
                    found.push(DefaultDeny { meta: &policy.meta, namespace, direction, subject });
                }
            }
        }
    }
    found
}

/// Those of a namespace and direction.
pub(crate) fn denying<'d, 'a>(
    denies: &'d [DefaultDeny<'a>],
    namespace: &str,
    direction: Direction,
) -> impl Iterator<Item = &'d DefaultDeny<'a>> {
    denies.iter().filter(move |deny| **deny.namespace == *namespace && deny.direction == direction)
}
