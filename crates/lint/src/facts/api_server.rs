//! Where the API server listens. In: the endpoints of `default/kubernetes`; what is stated. Out: its addresses and ports.

use std::net::SocketAddr;

use super::Evidence;
use crate::context::Context;

/// One of the API server's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// Its address and port.
    pub address: SocketAddr,
    /// How it is known.
    pub evidence: Evidence,
}

pub(super) fn endpoints(context: &Context<'_>) -> Vec<ApiServer> {
    let stated = &context.settings.cluster.api_server;
    if !stated.is_empty() {
        return stated
            .iter()
            .map(|address| ApiServer { address: *address, evidence: Evidence::stated() })
            .collect();
    }
    let own = context
        .cluster
        .endpoint_slices
        .iter()
        .filter(|slice| *slice.namespace == *"default" && slice.service.as_deref() == Some("kubernetes"));
    let mut found: Vec<ApiServer> = Vec::new();
    for slice in own {
        let ports: Vec<u16> = slice.ports.iter().filter_map(|(_, _, port)| *port).collect();
        for address in slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses) {
            for port in &ports {
                let address = SocketAddr::new(*address, *port);
                if !found.iter().any(|known| known.address == address) {
                    let evidence = Evidence::new(slice.origin, "endpoints of `default/kubernetes`");
                    found.push(ApiServer { address, evidence });
                }
            }
        }
    }
    found
}
