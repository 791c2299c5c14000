//! Policies of every dialect to the one form of rules. In: policies of the model. Out: parts.

mod cilium;
mod network_policy;
mod tier;

use std::sync::Arc;

use ringfence_model::{
    cilium::{CiliumPolicy, CiliumSubject},
    cluster::Cluster,
    network_policy::NetworkPolicy,
    port::{PortMatch, PortSpec},
    tier::{Action, TierPolicy},
};

use super::{
    matcher::{Matcher, MatcherId, Matchers},
    rule::{Part, Peer, PortEntry, Protocols, Selection},
    scope::Choice,
    shape::Shapes,
};

/// What a part of a policy selects.
pub(super) enum Chosen {
    /// The pods of a subject.
    Subject(MatcherId),
    /// What one peer as written means; often one.
    Peers(Vec<Peer>),
}

/// What the lowering needs to number matchers.
pub(super) struct Lowering<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) shapes: &'a Shapes,
    pub(super) matchers: &'a mut Matchers,
}

impl Lowering<'_> {
    /// The number of a selector.
    pub(super) fn matcher(&mut self, matcher: Matcher) -> MatcherId {
        self.matchers.intern(matcher, self.shapes, self.cluster)
    }

    /// A selector in a rule.
    fn selection(&mut self, matcher: Matcher) -> Selection {
        let written = Arc::new(matcher.clone());
        Selection { id: self.matcher(matcher), written }
    }

    /// The pods that a choice selects, by selectors or otherwise.
    pub(super) fn choice(&mut self, choice: Choice<'_>) -> Chosen {
        match choice {
            Choice::NetworkSubject(policy) => Chosen::Subject(network_policy::lower_subject(self, policy)),
            Choice::TierSubject(policy) => Chosen::Subject(tier::lower_subject(self, policy)),
            Choice::CiliumSubject(policy, spec) => match &spec.subject {
                CiliumSubject::Endpoints(selector) => {
                    Chosen::Subject(cilium::lower_subject(self, policy, selector))
                }
                CiliumSubject::Nodes(_) => Chosen::Peers(Vec::new()),
            },
            Choice::NetworkPeer(policy, peer) => {
                Chosen::Peers(vec![network_policy::lower_peer(self, policy, peer)])
            }
            // The action matters for names only, which are no pods.
            Choice::TierPeer(peer) => Chosen::Peers(tier::lower_peer(self, Action::Accept, peer)),
            Choice::CiliumPeer(policy, peer) => Chosen::Peers(cilium::lower_peer(self, policy, peer)),
        }
    }

    /// A NetworkPolicy.
    pub(super) fn network_policy(&mut self, policy: &NetworkPolicy) -> Part {
        network_policy::lower(self, policy)
    }

    /// A policy of the Admin or Baseline tier.
    pub(super) fn tier_policy(&mut self, policy: &TierPolicy) -> Part {
        tier::lower(self, policy)
    }

    /// A Cilium policy: a part for each spec whose subject is pods.
    pub(super) fn cilium_policy(&mut self, policy: &CiliumPolicy) -> Vec<Part> {
        cilium::lower(self, policy)
    }
}

/// A port entry without layer 7.
fn port_entry(entry: &PortMatch) -> PortEntry {
    let protocols = entry.protocol.map_or(Protocols::Transport, Protocols::One);
    PortEntry { protocols, ports: entry.ports.clone(), l7: Vec::new() }
}

/// The first port of a range, for a CNI that ignores `endPort`.
fn without_end_port(mut entry: PortEntry) -> PortEntry {
    if let PortSpec::Range(first, last) = &mut entry.ports {
        *last = *first;
    }
    entry
}

/// A position in a list as rules carry it.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
