//! The two ends of a link. In: its number. Out: names, numbers and MAC addresses of both interfaces, so that nothing has to
//! be asked back from the kernel.

use std::collections::BTreeSet;

use super::Topology;

/// A veth pair. The near end is in a pod, a node or the outside host and is always `eth0`; the far end is where that one
/// hangs: a pod's in its node, a node's and the outside host's in the fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    number: u32,
}

impl Link {
    /// The outside host's.
    pub(super) const OUTSIDE: Self = Self { number: 0 };

    /// Name of the near interface.
    pub const NEAR_NAME: &str = "eth0";

    /// Number of the near interface within its namespace (the loopback is 1).
    pub const NEAR_INDEX: u32 = 2;

    /// Name of the far interface.
    #[must_use]
    pub fn far_name(self) -> String {
        format!("rf{}", self.number)
    }

    /// Number of the far interface within its namespace.
    #[must_use]
    pub fn far_index(self) -> u32 {
        self.number + 10
    }

    /// MAC address of the near interface: locally administered, as all here.
    #[must_use]
    pub fn near_mac(self) -> [u8; 6] {
        self.mac(0)
    }

    /// MAC address of the far interface.
    #[must_use]
    pub fn far_mac(self) -> [u8; 6] {
        self.mac(1)
    }

    fn mac(self, end: u8) -> [u8; 6] {
        let [a, b, c, d] = self.number.to_be_bytes();
        [0x02 | (a << 2), end, 0x52, b, c, d]
    }
}

/// Numbers for new links.
pub(super) struct Numbers {
    used: BTreeSet<u32>,
    next: u32,
}

impl Numbers {
    /// Numbers that no link of the earlier topology has: a link that goes and one that comes are two.
    pub(super) fn after(earlier: Option<&Topology>) -> Self {
        let of_pods =
            earlier.into_iter().flat_map(|topology| topology.pods.iter().filter_map(|pod| pod.link));
        let of_nodes = earlier.into_iter().flat_map(|topology| topology.nodes.iter().map(|node| node.link));
        Self {
            used: of_pods.chain(of_nodes).map(|link| link.number).collect(),
            next: Link::OUTSIDE.number + 1,
        }
    }

    /// A new link.
    pub(super) fn link(&mut self) -> Link {
        while self.used.contains(&self.next) {
            self.next += 1;
        }
        let number = self.next;
        self.next += 1;
        Link { number }
    }
}
