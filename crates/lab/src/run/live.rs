//! Connections of a lab at work that outlast a single probe. In: flows between its ends. Out: connections that are held, and
//! ones that are opened again and again, while its policies and pods change.

use std::{sync::Arc, time::Duration};

use ringfence_model::flow::Flow;

use super::{RunError, Running};
use crate::{
    listen::Ledger,
    probe::{Bounds, Held, Hold, Opening, Opens, Probe},
};

/// How the ends of held connections speak.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The time between two messages of the client.
    pub every: Duration,
    /// The time between two messages of the listener; nothing if it is to keep quiet.
    pub pushed_every: Option<Duration>,
    /// When the connections end by themselves.
    pub lasting: Duration,
}

impl Running {
    /// Where messages of held connections are counted, and the clock of attempts.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        self.listeners.ledger()
    }

    /// Opens a connection for each flow and holds it, across updates.
    ///
    /// # Errors
    /// When an end of a flow has no packets, or a socket cannot be made.
    pub fn hold(&mut self, flows: &[Flow], pace: Pace) -> Result<Held, RunError> {
        let probes = self.probes(flows)?;
        let seats = self.seats();
        let holds: Vec<Hold> = probes
            .into_iter()
            .filter_map(|probe| {
                Some(Hold {
                    from: seats.namespaces.get(probe.from)?.clone(),
                    source: probe.source,
                    to: probe.to,
                    protocol: probe.protocol,
                    port: probe.port,
                    every: pace.every,
                    pushed_every: pace.pushed_every,
                })
            })
            .collect();
        Ok(self.prober.hold(&self.listeners, &holds, pace.lasting)?)
    }

    /// Opens a new connection for each flow again and again, across updates.
    ///
    /// # Errors
    /// When an end of a flow has no packets, or no thread can be started.
    pub fn open(&mut self, flows: &[Flow], every: Duration, bounds: Bounds) -> Result<Opens, RunError> {
        let probes = self.probes(flows)?;
        let openings = probes.into_iter().map(|probe| Opening { probe, every }).collect();
        Ok(self.prober.open(&self.listeners, self.seats().namespaces, openings, bounds)?)
    }

    /// Listens where flows go, and says how they are asked for.
    fn probes(&mut self, flows: &[Flow]) -> Result<Vec<Probe>, RunError> {
        let ends: Vec<_> =
            flows.iter().map(|flow| (&flow.to, flow.family, flow.protocol, flow.port)).collect();
        self.listen_at_ends(&ends)?;
        let seats = self.seats();
        let probe = |flow: &Flow| {
            let from = seats.seat(&flow.from, flow.family)?;
            let to = seats.seat(&flow.to, flow.family)?;
            Ok(Probe {
                from: from.at,
                source: from.address,
                to: to.address,
                protocol: flow.protocol,
                port: flow.port,
            })
        };
        flows.iter().map(probe).collect::<Result<_, String>>().map_err(RunError::NoPackets)
    }
}
