//! DNS in a lab that changes. In: where it is to be answered, again and again. Out: sockets opened and closed accordingly.

use std::{collections::BTreeMap, net::SocketAddr};

use ringfence_model::port::Protocol;

use super::{LOOPBACK, PORT, Responder, ResponderError, Zone, places, server::SocketId};
use crate::{lab::Lab, namespace::Namespace};

/// A socket's namespace (by its number, as a pod that comes again has another), protocol and address.
type Spot = (u64, Protocol, SocketAddr);

/// The responder of a lab.
#[derive(Debug)]
pub(crate) struct Presence {
    responder: Responder,
    sockets: BTreeMap<Spot, SocketId>,
}

impl Presence {
    pub(crate) fn start(lab: &Lab) -> Result<Self, ResponderError> {
        let responder = Responder::start(Zone::of(lab.topology()))?;
        let mut presence = Self { responder, sockets: BTreeMap::new() };
        presence.open(&wanted(lab))?;
        Ok(presence)
    }

    /// Follows a lab that has changed.
    pub(crate) fn follow(&mut self, lab: &Lab) -> Result<(), ResponderError> {
        self.responder.set_zone(Zone::of(lab.topology()));
        let wanted = wanted(lab);
        let responder = &self.responder;
        self.sockets.retain(|spot, socket| {
            let stays = wanted.contains_key(spot);
            if !stays {
                responder.close(*socket);
            }
            stays
        });
        self.open(&wanted)
    }

    fn open(&mut self, wanted: &BTreeMap<Spot, Namespace>) -> Result<(), ResponderError> {
        for (spot, namespace) in wanted {
            if !self.sockets.contains_key(spot) {
                let socket = self.responder.listen(namespace, spot.1, spot.2)?;
                self.sockets.insert(*spot, socket);
            }
        }
        Ok(())
    }
}

/// Where DNS is to be answered.
fn wanted(lab: &Lab) -> BTreeMap<Spot, Namespace> {
    let own = places(lab.topology());
    if !own.is_empty() {
        let spot = |place: &super::Place| {
            let namespace = lab.pod(place.pod)?;
            Some(((namespace.inode(), place.protocol, place.at), namespace.clone()))
        };
        return own.iter().filter_map(spot).collect();
    }
    let everywhere =
        lab.pods().map(|(_, namespace)| namespace).chain(lab.nodes().map(|(_, namespace)| namespace));
    let at = SocketAddr::from((LOOPBACK, PORT));
    everywhere
        .chain([lab.outside()])
        .flat_map(|namespace| {
            [Protocol::Udp, Protocol::Tcp]
                .map(|protocol| ((namespace.inode(), protocol, at), namespace.clone()))
        })
        .collect()
}
