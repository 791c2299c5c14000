//! What this kernel can do. In: a network namespace. Out: which of the things that programs use are there, since which
//! version of Linux, and what happens without them. Each probe creates a table of its own and deletes it in the same
//! transaction, so that nothing stays and no packet meets it.

use std::fmt;

use nix::errno::Errno;
use ringfence_model::address::Family;

use crate::{
    netlink::{Error, Nftables, Wire, uapi},
    nft::{
        Chain, Field, Hook, HookPoint, KeyType, LogTo, Map, Random, Reject, Rule, Set, Statement, Table,
        Value, Verdict,
    },
    reconcile::{Change, Ownership, Transaction},
};

/// Something that programs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// nf_tables with tables of family `inet`.
    Tables,
    /// Sets of ranges.
    Intervals,
    /// Concatenated keys with ranges in sets and maps.
    Concatenations,
    /// Maps to verdicts.
    VerdictMaps,
    /// Connection tracking: state and direction.
    Connections,
    /// Reading and setting the connection's mark.
    Mark,
    /// `log group`: NFLOG.
    Log,
    /// `limit`
    Limit,
    /// `reject` in family `inet`.
    Reject,
    /// Chains of type nat in family `inet`, `dnat` and `masquerade`.
    Nat,
    /// `numgen random`
    Random,
    /// Tables that only their process changes.
    Owner,
    /// Tables that outlive their owner.
    Persist,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Tables,
        Self::Intervals,
        Self::Concatenations,
        Self::VerdictMaps,
        Self::Connections,
        Self::Mark,
        Self::Log,
        Self::Limit,
        Self::Reject,
        Self::Nat,
        Self::Random,
        Self::Owner,
        Self::Persist,
    ];

    /// In which version of Linux it came, and what it is.
    #[must_use]
    pub fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::Tables => ("3.14", "nf_tables with tables of family inet"),
            Self::Intervals => ("3.16", "sets of address and port ranges"),
            Self::Concatenations => ("5.6", "concatenated keys with ranges"),
            Self::VerdictMaps => ("3.13", "maps to verdicts"),
            Self::Connections => ("3.13", "connection tracking (state, direction)"),
            Self::Mark => ("3.13", "marks of connections"),
            Self::Log => ("3.17", "log to NFLOG"),
            Self::Limit => ("3.13", "rate limits"),
            Self::Reject => ("3.18", "reject in family inet"),
            Self::Nat => ("5.2", "nat in family inet"),
            Self::Random => ("4.9", "random sampling"),
            Self::Owner => ("5.12", "tables that only their owner changes"),
            Self::Persist => ("6.9", "owned tables that outlive their owner"),
        }
    }

    /// What happens without it; nothing if nothing can be enforced then.
    fn without(self) -> Option<&'static str> {
        match self {
            Self::Tables
            | Self::Intervals
            | Self::Concatenations
            | Self::VerdictMaps
            | Self::Connections
            | Self::Mark => None,
            Self::Log => Some("denied connections are counted and not reported"),
            Self::Limit => Some("reports of denied connections cannot be limited and are left out"),
            Self::Reject => Some("denied connections are dropped and time out"),
            Self::Nat => Some("the lab has no Services; a node needs none"),
            Self::Random => Some("the lab sends a Service's connections to one backend"),
            Self::Owner | Self::Persist => {
                Some("anyone with CAP_NET_ADMIN can change the table; changes are noticed and put right")
            }
        }
    }
}

/// Whether a feature is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub feature: Feature,
    /// Why not, if it is not.
    pub missing: Option<String>,
}

/// What a kernel can do. Printed, one line a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// A finding for each of [`Feature::ALL`], in that order.
    pub findings: Vec<Finding>,
}

impl Features {
    /// Tries everything in the current network namespace.
    ///
    /// # Errors
    /// Those of the socket; what the kernel lacks is no error.
    pub fn probe() -> Result<Self, Error> {
        Self::probe_over(&mut Nftables::open()?)
    }

    /// Tries everything over a connection.
    ///
    /// # Errors
    /// As [`Self::probe`].
    pub fn probe_over<W: Wire>(nft: &mut Nftables<W>) -> Result<Self, Error> {
        let name = format!("ringfence_probe_{}", nft.port());
        let mut findings = Vec::new();
        for feature in Feature::ALL {
            let flags = match feature {
                Feature::Owner => uapi::NFT_TABLE_F_OWNER,
                Feature::Persist => uapi::NFT_TABLE_F_OWNER | uapi::NFT_TABLE_F_PERSIST,
                _ => 0,
            };
            let mut transaction = Transaction::load(&sample(feature, &name));
            transaction.changes.push(Change::DeleteTable);
            let missing = match nft.commit(&transaction, flags, None) {
                Ok(()) => None,
                Err(Error::Refused(refusal)) if refusal.errno == Errno::EPERM => {
                    return Err(Error::Refused(refusal));
                }
                Err(Error::Refused(refusal)) => Some(refusal.to_string()),
                Err(error) => return Err(error),
            };
            findings.push(Finding { feature, missing });
        }
        Ok(Self { findings })
    }

    /// Whether a feature is there.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.findings.iter().any(|finding| finding.feature == feature && finding.missing.is_none())
    }

    /// What is missing without which nothing can be enforced.
    pub fn fatal(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.missing.is_some() && finding.feature.without().is_none())
    }

    /// How the table can be kept: an owner whose table goes when it goes would open everything, so both or neither.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        if self.has(Feature::Owner) && self.has(Feature::Persist) {
            Ownership::Owned
        } else {
            Ownership::Shared
        }
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { feature, missing } in &self.findings {
            let (since, what) = feature.about();
            match (missing, feature.without()) {
                (None, _) => writeln!(f, "yes  {what} (Linux {since})")?,
                (Some(reason), Some(without)) => {
                    writeln!(f, "no   {what} (Linux {since}): {without} [{reason}]")?;
                }
                (Some(reason), None) => {
                    writeln!(f, "no   {what} (Linux {since}): nothing can be enforced [{reason}]")?;
                }
            }
        }
        Ok(())
    }
}

/// The smallest program that has the feature.
fn sample(feature: Feature, name: &str) -> Table {
    let mut table = Table::new(name);
    let rule = |statements: Vec<Statement>| Rule { statements, comment: None };
    let base = |nat, point, rules| Chain { hook: Some(Hook { point, nat, priority: 100 }), rules };
    let mut output = Vec::new();
    match feature {
        Feature::Tables | Feature::Owner | Feature::Persist => {}
        Feature::Intervals => {
            table.sets.insert(
                "probe".into(),
                Set { key: vec![KeyType::Ipv4], interval: true, size: None, elements: Default::default() },
            );
        }
        Feature::Concatenations => {
            let key = vec![KeyType::Protocol, KeyType::Port];
            let element = vec![Value::Protocol(6), Value::PortRange(1, 2)];
            table
                .sets
                .insert("probe".into(), Set { key, interval: true, size: None, elements: [element].into() });
        }
        Feature::VerdictMaps => {
            let elements = [(vec![Value::Protocol(6)], Verdict::Accept)].into();
            table.maps.insert(
                "probe".into(),
                Map { key: vec![KeyType::Protocol], interval: false, size: None, elements },
            );
        }
        Feature::Connections => output.push(vec![Statement::State(2), Statement::Reply(true)]),
        Feature::Mark => output.push(vec![
            Statement::Mark { mask: 1, value: 1, negated: false },
            Statement::SetMark { mask: 2, value: 2 },
        ]),
        Feature::Log => {
            let to = LogTo { prefix: "probe".into(), group: 0, snaplen: 64, queue_threshold: 1 };
            output.push(vec![Statement::Log(to)]);
        }
        Feature::Limit => output.push(vec![Statement::Limit { rate: 1, burst: 1 }]),
        Feature::Reject => output.push(vec![
            Statement::Is {
                field: Field::Source(Family::V4),
                value: Value::Ipv4([0, 0, 0, 0].into()),
                negated: false,
            },
            Statement::Reject(Reject::AdminProhibited),
        ]),
        Feature::Nat => {
            table.chains.insert(
                "probe".into(),
                base(true, HookPoint::Postrouting, vec![rule(vec![Statement::Masquerade])]),
            );
        }
        Feature::Random => output.push(vec![Statement::Random(Random { one_in: 2 })]),
    }
    if !output.is_empty() {
        // Not hooked in: no packet meets it even for a moment.
        table
            .chains
            .insert("probe".into(), Chain { hook: None, rules: output.into_iter().map(rule).collect() });
    }
    table
}
