//! What is probed, and what the engine says of it. In: a completed cluster and the compiled policies. Out: trials, each a
//! connection with the engine's verdict, for every ordered pair of pods, the Services, the nodes and the outside.

mod compare;
mod ports;
mod scope;
mod tried;

use std::net::IpAddr;

use ringfence_model::{
    Text,
    address::Family,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::{Outcome, Verdict},
};

pub use compare::{Disagreement, Kernel};
pub use ports::Ports;
pub use scope::{Scope, trials};
pub use tried::{Denial, Outcomes, Tried};

/// What the packets of a trial are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The end itself; the engine is asked about exactly this connection.
    End(Endpoint),
    /// A Service's address: a backend answers.
    Service {
        /// The Service's namespace.
        namespace: Text,
        /// Its name.
        name: Text,
        /// Its address of the trial's family.
        address: IpAddr,
    },
}

/// A connection to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Who connects.
    pub from: Endpoint,
    /// To whom.
    pub to: Target,
    /// With packets of which family.
    pub family: Family,
    /// Over which protocol.
    pub protocol: Protocol,
    /// To which port (ICMP: the type).
    pub port: u16,
    /// What the engine says.
    pub expected: Expected,
}

/// What the engine says of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Of the one connection that it is.
    One(Box<Verdict>),
    /// Of each backend that may answer for a Service, by pod and the port reached. None if nothing answers.
    Backends(Vec<Backend>),
}

/// Who may answer for a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The pod, or an address that an EndpointSlice lists.
    pub end: Endpoint,
    /// Its port that the Service leads to.
    pub port: u16,
    /// What the engine says of the connection to it after DNAT.
    pub verdict: Box<Verdict>,
}

impl Expected {
    /// One word for it; a Service is allowed if every backend is, denied if none is, else mixed (nothing).
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::One(verdict) => Some(verdict.outcome),
            Self::Backends(backends) => {
                let mut outcomes = backends.iter().map(|backend| backend.verdict.outcome);
                let Some(first) = outcomes.next() else { return Some(Outcome::Deny) };
                outcomes.all(|outcome| outcome == first).then_some(first)
            }
        }
    }
}

impl Trial {
    /// The engine's question that it is, if it is one.
    #[must_use]
    pub fn flow(&self) -> Option<Flow> {
        let Target::End(to) = &self.to else { return None };
        Some(Flow {
            from: self.from.clone(),
            to: to.clone(),
            family: self.family,
            protocol: self.protocol,
            port: self.port,
            request: None,
        })
    }
}
