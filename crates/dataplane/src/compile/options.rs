//! How a node's program is made. In: what an operator chooses. Out: a plain value with defaults that fit most nodes.

use std::net::IpAddr;

/// What becomes of a packet that is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Refusal {
    /// The sender is told: a TCP reset, or ICMP "administratively prohibited".
    #[default]
    Reject,
    /// It vanishes.
    Drop,
}

/// How many log messages a rule may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages a second.
    pub rate: u32,
    /// Messages at once.
    pub burst: u32,
}

/// How a program is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The table's name.
    pub table: String,
    /// Priority of the base chains: smaller runs earlier.
    pub priority: i32,
    /// What becomes of a packet that is denied.
    pub refusal: Refusal,
    /// Whether denials are logged, and how often each rule may.
    pub log_denied: Option<Rate>,
    /// Whether new connections that are allowed are logged, and how often each rule may.
    pub log_allowed: Option<Rate>,
    /// The NFLOG group that the reader listens to.
    pub group: u16,
    /// Bytes of each packet that are logged.
    pub snaplen: u32,
    /// Packets that the kernel collects before it wakes the reader.
    pub queue_threshold: u16,
    /// The bits of the connection's mark that are ours: neighbouring, at least two.
    pub mark_mask: u32,
    /// The number of the policies' version, from 1. A connection that an earlier version allowed is judged again. 0 is
    /// skipped (see [`Self::epoch_mark`]): it means a connection that was never allowed, or was cut.
    pub epoch: u32,
    /// Whether NetworkPolicy applies to traffic between a pod and its own node too, which upstream exempts.
    pub strict_own_node: bool,
    /// Addresses of the node beside those of its Node object (of its bridge, say).
    pub own_addresses: Vec<IpAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            table: "ringfence".to_owned(),
            priority: -5,
            refusal: Refusal::default(),
            log_denied: Some(Rate { rate: 100, burst: 200 }),
            log_allowed: None,
            group: 100,
            snaplen: 128,
            queue_threshold: 16,
            mark_mask: 0xffff_0000,
            epoch: 1,
            strict_own_node: false,
            own_addresses: Vec::new(),
        }
    }
}

impl Options {
    /// How many epochs the mask can tell apart: after so many, they repeat.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        (self.mark_mask >> self.shift()).max(1)
    }

    /// The mark, under the mask, of a connection that this version has allowed.
    #[must_use]
    pub fn epoch_mark(&self) -> u32 {
        (self.epoch.saturating_sub(1) % self.epochs() + 1) << self.shift()
    }

    fn shift(&self) -> u32 {
        // A mask without bits has none to shift.
        self.mark_mask.trailing_zeros() % u32::BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_never_the_mark_of_what_was_not_allowed() {
        let mut options = Options { mark_mask: 0x0000_0c00, ..Options::default() };
        assert_eq!(options.epochs(), 3);
        let marks: Vec<u32> = (0..6)
            .map(|epoch| {
                options.epoch = epoch;
                options.epoch_mark()
            })
            .collect();
        assert_eq!(marks, [0x400, 0x400, 0x800, 0xc00, 0x400, 0x800]);
        let usual = Options::default();
        assert_eq!((usual.epochs(), usual.epoch_mark()), (0xffff, 0x0001_0000));
        let last = Options { epoch: 0xffff, ..usual.clone() };
        let wrapped = Options { epoch: 0x1_0000, ..usual };
        assert_eq!((last.epoch_mark(), wrapped.epoch_mark()), (0xffff_0000, 0x0001_0000));
    }
}
