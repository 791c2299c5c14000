//! Whether live connections must be judged again. In: the change from one program to the next, and who has which address.
//! Out: whether the epoch goes on.
//!
//! A connection that passed carries the epoch in its mark and is not looked at again while the epoch lasts. Going on costs
//! every live connection one more judgement and cuts none that is still allowed, so it is done whenever something might
//! have become forbidden. It is not done for what happens all the time: pods that come with new addresses, and pods that go.
//!
//! What a program does with a packet depends on its rules and on the sets that the packet's two addresses are in. So
//! nothing changes for a marked connection unless a rule changes or one of its addresses enters or leaves a set. An
//! address that no pod has had before can enter; one that no pod has any more can leave, and is remembered.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_model::cluster::Cluster;

use crate::{
    nft::{Element, Value},
    reconcile::{Change, Transaction},
};

/// Who has, and has had, an address.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// How many pods have an address now; those on their node's network share the node's, which is no pod's.
    present: BTreeMap<IpAddr, usize>,
    /// Addresses that pods have had and have no more. Connections with them may go on, of peers that have not noticed, and
    /// be marked anew as ones with nobody in particular: whoever gets the address must not inherit them.
    past: BTreeSet<IpAddr>,
    /// Those of them that have left a set in this epoch. Connections that were allowed before bear its mark.
    left: BTreeSet<IpAddr>,
}

impl Addresses {
    /// Those of a cluster, at the beginning of an epoch.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self { present: present(cluster), ..Self::default() }
    }

    /// Whether a change of the program, which comes with this cluster, needs a new epoch; keeps count of addresses.
    pub fn change(&mut self, transaction: &Transaction, cluster: &Cluster) -> bool {
        let now = present(cluster);
        let lost = self.present.keys().filter(|address| !now.contains_key(*address)).copied().collect();
        let won = now.keys().filter(|address| !self.present.contains_key(*address)).copied().collect();
        self.present = now;
        self.decide(transaction, &lost, &won)
    }

    /// As [`Self::change`], for a change of the cluster in which one pod (not on its node's network) had some addresses before
    /// and has others now.
    pub fn change_pod(&mut self, transaction: &Transaction, gone: &[IpAddr], come: &[IpAddr]) -> bool {
        let touched: BTreeSet<IpAddr> = gone.iter().chain(come).copied().collect();
        let before: BTreeSet<IpAddr> =
            touched.iter().filter(|address| self.present.contains_key(*address)).copied().collect();
        for address in come {
            *self.present.entry(*address).or_default() += 1;
        }
        for address in gone {
            if let Some(count) = self.present.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    self.present.remove(address);
                }
            }
        }
        let has = |address: &IpAddr| self.present.contains_key(address);
        let lost = before.iter().filter(|address| !has(address)).copied().collect();
        let won =
            touched.iter().filter(|address| !before.contains(*address) && has(address)).copied().collect();
        self.decide(transaction, &lost, &won)
    }

    /// `lost` are the addresses that nobody has any more, and `won` those that nobody had.
    fn decide(&mut self, transaction: &Transaction, lost: &BTreeSet<IpAddr>, won: &BTreeSet<IpAddr>) -> bool {
        let new = |address: &IpAddr| won.contains(address) && !self.past.contains(address);
        let gone = |address: &IpAddr| lost.contains(address);
        let made: BTreeSet<&str> = transaction
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::CreateChain(name, None) => Some(&**name),
                Change::CreateSet(shape) => Some(&*shape.name),
                _ => None,
            })
            .collect();
        let harmless = |change: &Change| match change {
            // What is made is not used before something refers to it, and that is a change of its own.
            Change::CreateTable | Change::CreateSet(_) | Change::CreateChain(..) => true,
            Change::AddRule(chain, _) => made.contains(&**chain),
            Change::AddElements(shape, members) => {
                made.contains(&*shape.name) || members.iter().all(|member| all_addresses(&member.key, new))
            }
            Change::DeleteElements(_, members) => {
                members.iter().all(|member| all_addresses(&member.key, gone))
            }
            Change::DeleteTable | Change::DeleteSet(_) | Change::DeleteChain(..) | Change::FlushChain(_) => {
                false
            }
        };
        let reused = won.iter().any(|address| self.left.contains(address));
        let needed = reused || !transaction.changes.iter().all(harmless);
        if needed {
            self.left.clear();
        } else {
            let removed = transaction.changes.iter().filter_map(|change| match change {
                Change::DeleteElements(_, members) => Some(members),
                _ => None,
            });
            let keys = removed.flatten().flat_map(|member| &member.key);
            self.left.extend(keys.filter_map(address));
        }
        self.past.extend(lost);
        needed
    }
}

fn present(cluster: &Cluster) -> BTreeMap<IpAddr, usize> {
    let mut present = BTreeMap::new();
    for pod in cluster.pods.iter().filter(|pod| !pod.finished && !pod.host_network) {
        for address in &pod.addresses {
            *present.entry(*address).or_default() += 1;
        }
    }
    present
}

fn address(value: &Value) -> Option<IpAddr> {
    match value {
        Value::Ipv4(address) => Some(IpAddr::V4(*address)),
        Value::Ipv6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

/// Whether an element is made of single addresses only, all of which the test holds for.
fn all_addresses(key: &Element, test: impl Fn(&IpAddr) -> bool) -> bool {
    key.iter().all(|value| address(value).is_some_and(|address| test(&address)))
}

#[cfg(test)]
mod tests {
    use ringfence_model::{
        origin::Origin,
        workload::{Pod, WorkloadId},
    };

    use super::*;
    use crate::{
        nft::{Chain, Hook, HookPoint, KeyType, Rule, Set, Statement, Table, Verdict},
        reconcile::diff,
    };

    fn pod(number: u8) -> Pod {
        Pod {
            namespace: "default".into(),
            name: format!("pod{number}").into(),
            workload: WorkloadId(0),
            labels: Default::default(),
            ports: Vec::new(),
            host_network: false,
            node: None,
            addresses: vec![[10, 0, 0, number].into()],
            service_account: "default".into(),
            ready: true,
            finished: false,
            stand_in: false,
            details: None,
            origin: Origin::NONE,
        }
    }

    fn cluster(pods: &[u8]) -> Cluster {
        Cluster { pods: pods.iter().map(|number| pod(*number)).collect(), ..Cluster::default() }
    }

    fn set(members: &[[u8; 4]]) -> Set {
        let elements = members.iter().map(|address| vec![Value::Ipv4((*address).into())]).collect();
        Set { key: vec![KeyType::Ipv4], interval: false, size: None, elements }
    }

    /// A program with a set of peers.
    fn table(peers: &[u8]) -> Table {
        let mut table = Table::new("t");
        let members: Vec<[u8; 4]> = peers.iter().map(|peer| [10, 0, 0, *peer]).collect();
        table.sets.insert("peers".into(), set(&members));
        table.chains.insert("judge".into(), Chain::default());
        table
    }

    /// Goes through programs with their clusters, and says for each step whether connections are judged again.
    fn judged(steps: &[(Table, Cluster)]) -> Vec<bool> {
        let mut addresses = Addresses::of(&steps[0].1);
        let pairs = steps.iter().zip(&steps[1..]);
        pairs.map(|((before, _), (after, cluster))| addresses.change(&diff(before, after), cluster)).collect()
    }

    fn churn(steps: &[(&[u8], &[u8])]) -> Vec<bool> {
        judged(&steps.iter().map(|(peers, pods)| (table(peers), cluster(pods))).collect::<Vec<_>>())
    }

    #[test]
    fn pods_that_come_and_go_disturb_nobody() {
        assert_eq!(churn(&[(&[1], &[1]), (&[1, 2], &[1, 2]), (&[2], &[2]), (&[], &[])]), [false; 3]);
    }

    #[test]
    fn an_address_that_changes_hands_is_judged_again() {
        assert_eq!(churn(&[(&[1], &[1]), (&[], &[]), (&[1], &[1])]), [false, true]);
        // Even if the new pod is in no set, as connections of the old one were allowed.
        assert_eq!(churn(&[(&[1], &[1]), (&[], &[]), (&[], &[1])]), [false, true]);
        // From one pod to another at once.
        assert_eq!(churn(&[(&[1], &[1]), (&[], &[1])]), [true]);
        // And after connections were judged again: those with the address went on as ones with nobody in particular.
        let mut other = table(&[]);
        other.chains.get_mut("judge").unwrap().rules.push(Rule { statements: Vec::new(), comment: None });
        let mut with = other.clone();
        with.sets.insert("peers".into(), set(&[[10, 0, 0, 1]]));
        let steps = [
            (table(&[1]), cluster(&[1])),
            (table(&[]), cluster(&[])),
            (other.clone(), cluster(&[])),
            (with, cluster(&[1])),
        ];
        assert_eq!(judged(&steps), [false, true, true]);
        // Not if the program has never told it from any other.
        let steps = [(other.clone(), cluster(&[1])), (other.clone(), cluster(&[])), (other, cluster(&[1]))];
        assert_eq!(judged(&steps), [false, false]);
    }

    #[test]
    fn what_else_changes_is_judged_again() {
        // Labels: a pod that stays enters or leaves a set.
        assert_eq!(churn(&[(&[], &[1]), (&[1], &[1])]), [true]);
        assert_eq!(churn(&[(&[1], &[1]), (&[], &[1])]), [true]);
        // An address that is no pod's: a node's, or of an ipBlock.
        assert_eq!(churn(&[(&[], &[1]), (&[9], &[1])]), [true]);
        assert_eq!(churn(&[(&[9], &[1]), (&[], &[1])]), [true]);
        // The address of pods on their node's network.
        let node = || {
            let mut cluster = cluster(&[9]);
            cluster.pods[0].host_network = true;
            cluster
        };
        assert_eq!(judged(&[(table(&[9]), node()), (table(&[]), cluster(&[]))]), [true]);
        // A rule.
        let mut other = table(&[1]);
        let verdict = Statement::Verdict(Verdict::Accept);
        let rule = Rule { statements: vec![verdict], comment: None };
        other.chains.get_mut("judge").unwrap().rules.push(rule.clone());
        assert_eq!(judged(&[(table(&[1]), cluster(&[1])), (other.clone(), cluster(&[1]))]), [true]);
        assert_eq!(judged(&[(other, cluster(&[1])), (table(&[1]), cluster(&[1]))]), [true]);
        // A chain that nothing leads to is no change; one that packets come to is.
        let mut more = table(&[1]);
        more.chains.insert("new".into(), Chain { hook: None, rules: vec![rule.clone()] });
        more.sets.insert("new".into(), set(&[[10, 0, 0, 1]]));
        assert_eq!(judged(&[(table(&[1]), cluster(&[1])), (more.clone(), cluster(&[1]))]), [false]);
        let hook = Hook { point: HookPoint::Output, nat: false, priority: 0 };
        more.chains.insert("out".into(), Chain { hook: Some(hook), rules: vec![rule] });
        assert_eq!(judged(&[(table(&[1]), cluster(&[1])), (more, cluster(&[1]))]), [true]);
    }
}
