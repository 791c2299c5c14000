//! Whether live connections must be judged again. In: the change from one program to the next, and who has which address.
//! Out: whether the epoch goes on.
//!
//! A connection that passed carries the epoch in its mark and is not looked at again while the epoch lasts. Going on costs
//! every live connection one more judgement and cuts none that is still allowed, so it is done whenever something might
//! have become forbidden. It is not done for what happens all the time: pods that come and go.

use std::{collections::BTreeSet, net::IpAddr};

use ringfence_model::cluster::Cluster;

use crate::{
    nft::{Element, Value},
    reconcile::{Change, Transaction},
};

/// Who has had an address since the epoch began.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Addresses of pods now.
    present: BTreeSet<IpAddr>,
    /// Addresses that pods have had in this epoch and have no more. A connection of the pod that had one may still be
    /// tracked, with this epoch's mark: whoever gets the address must not inherit it.
    retired: BTreeSet<IpAddr>,
}

impl Addresses {
    /// Those of a cluster, at the beginning of an epoch.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self { present: present(cluster), retired: BTreeSet::new() }
    }

    /// Whether a change of the program, which comes with this cluster, needs a new epoch; keeps count of addresses.
    pub fn change(&mut self, transaction: &Transaction, cluster: &Cluster) -> bool {
        let now = present(cluster);
        let new = |address: &IpAddr| !self.present.contains(address) && !self.retired.contains(address);
        let gone = |address: &IpAddr| !now.contains(address);
        let harmless = |change: &Change| match change {
            // What is made is not used before something refers to it, and that is a change of its own.
            Change::CreateTable | Change::CreateSet(_) | Change::CreateChain(..) => true,
            Change::AddElements(_, members) => members.iter().all(|member| all_addresses(&member.key, new)),
            Change::DeleteElements(_, members) => {
                members.iter().all(|member| all_addresses(&member.key, gone))
            }
            Change::DeleteTable
            | Change::DeleteSet(_)
            | Change::DeleteChain(..)
            | Change::FlushChain(_)
            | Change::AddRule(..) => false,
        };
        let made: BTreeSet<&str> = transaction
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::CreateChain(name, None) => Some(&**name),
                Change::CreateSet(shape) => Some(&*shape.name),
                _ => None,
            })
            .collect();
        // Rules of new chains and elements of new sets matter only to packets that something new sends there.
        let of_new = |change: &Change| match change {
            Change::AddRule(chain, _) => made.contains(&**chain),
            Change::AddElements(shape, _) => made.contains(&*shape.name),
            _ => false,
        };
        let reused = now.difference(&self.present).any(|address| self.retired.contains(address));
        let needed = reused || !transaction.changes.iter().all(|change| of_new(change) || harmless(change));
        if needed {
            self.retired.clear();
        }
        self.retired.extend(self.present.difference(&now).copied());
        self.present = now;
        needed
    }
}

fn present(cluster: &Cluster) -> BTreeSet<IpAddr> {
    let pods = cluster.pods.iter().filter(|pod| !pod.finished);
    pods.flat_map(|pod| pod.addresses.iter().copied()).collect()
}

/// Whether an element is made of single addresses only, all of which the test holds for.
fn all_addresses(key: &Element, test: impl Fn(&IpAddr) -> bool) -> bool {
    key.iter().all(|value| match value {
        Value::Ipv4(address) => test(&IpAddr::V4(*address)),
        Value::Ipv6(address) => test(&IpAddr::V6(*address)),
        _ => false,
    })
}
