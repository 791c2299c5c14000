//! Pods under the same policies. In: a compiled cluster. Out: groups of pods with what selects and what isolates them.

use std::sync::Arc;

use ringfence_model::{network_policy::PolicyMeta, verdict::Direction, workload::PodId};
use rustc_hash::FxHashMap;

use super::{Compiled, SetId, matching::End, rule::Part};

/// The policies of a group in one direction, in the order in which they are evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// Those that say something about the direction: by a rule, or by isolating the pods.
    pub selecting: Vec<Arc<PolicyMeta>>,
    /// Those among them that isolate the pods: what no rule allows is denied.
    pub isolating: Vec<Arc<PolicyMeta>>,
}

impl Isolation {
    /// Whether anything that no rule allows is denied.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        !self.isolating.is_empty()
    }
}

/// Pods under the same policies.
#[derive(Clone, Debug)]
pub struct Group {
    /// The pods, ascending; never empty.
    pub pods: Vec<PodId>,
    /// Connections to them.
    pub ingress: Isolation,
    /// Connections from them.
    pub egress: Isolation,
}

impl Group {
    /// The policies in one direction.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &Isolation {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

impl Compiled {
    /// The pods that policies can select (neither finished nor in their nodes' network), in groups under the same
    /// policies, by their first pods. Pods that nothing selects are a group too. Audit policies count only where they
    /// take effect.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut place: FxHashMap<SetId, usize> = FxHashMap::default();
        let mut groups: Vec<Group> = Vec::new();
        for id in (0..).map(PodId).take(self.cluster.pods.len()) {
            let Some((_, shape)) = self.pod_end(id).as_ref().and_then(End::plain_pod) else { continue };
            let Some(set) = self.set_of_shape.get(shape as usize) else { continue };
            let at = *place.entry(*set).or_insert_with(|| {
                let parts =
                    self.parts_in_order(self.parts_of_shape.get(shape as usize).map_or(&[], Vec::as_slice));
                let of = |direction| isolation(parts.iter().map(|part| &***part), direction);
                groups.push(Group {
                    pods: Vec::new(),
                    ingress: of(Direction::Ingress),
                    egress: of(Direction::Egress),
                });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(at) {
                group.pods.push(id);
            }
        }
        groups
    }
}

fn isolation<'p>(parts: impl Iterator<Item = &'p Part>, direction: Direction) -> Isolation {
    let mut found = Isolation::default();
    for part in parts {
        let isolates = part.isolates(direction);
        let lists = [
            (isolates || !part.rules(direction).is_empty(), &mut found.selecting),
            (isolates, &mut found.isolating),
        ];
        for (counts, list) in lists {
            // The specs of one policy follow each other.
            if counts && list.last() != Some(&part.meta) {
                list.push(part.meta.clone());
            }
        }
    }
    found
}
