//! Services. In: those of the manifests. Out: each that has ClusterIPs with one of every family that it should have.

use std::net::IpAddr;

use ringfence_model::{
    IpNet, Text,
    address::Family,
    service::{Service, ServiceType},
};

use super::{
    Draft, Obstacle,
    address::{self, Purpose},
};

/// Gives ClusterIPs to Services that need some and have none.
pub(super) fn complete(draft: &mut Draft<'_>) {
    let mut lacking: Vec<(usize, Family)> = Vec::new();
    for (at, service) in draft.cluster.services.iter().enumerate() {
        lacking.extend(families(draft, service).into_iter().map(|family| (at, family)));
    }
    let mut found: Vec<(usize, IpAddr)> = Vec::new();
    lacking.retain(|(at, family)| match kept(draft, *at, *family) {
        Some(address) => {
            draft.book.take(address, || name(draft.cluster.services.get(*at)));
            found.push((*at, address));
            false
        }
        None => true,
    });
    for (at, family) in lacking {
        let stated = draft.cluster.service_cidrs.iter().copied().find(|net| Family::of_net(net) == family);
        let net: Option<IpNet> = stated.or_else(|| address::network(draft, Purpose::Services, family));
        let owner = name(draft.cluster.services.get(at));
        match net.and_then(|net| address::free(draft, &net, &|| owner.clone())) {
            Some(address) => {
                found.push((at, address));
                if stated.is_none() {
                    // From here on this is the Service network, so that the next Service is put there too.
                    draft.cluster.service_cidrs.extend(net);
                }
            }
            None => draft.book.obstacles.push(Obstacle::Exhausted { owner, family: family.as_str() }),
        }
    }
    found.sort_by_key(|(at, address)| (*at, Family::of(*address)));
    for (at, address) in found {
        if let Some(service) = draft.cluster.services.get_mut(at) {
            service.cluster_ips.push(address);
        }
    }
}

/// The families of which the Service needs a ClusterIP: those that it names, or all where it names none and has no
/// ClusterIP.
fn families(draft: &Draft<'_>, service: &Service) -> Vec<Family> {
    if service.headless || matches!(service.kind, ServiceType::ExternalName(_)) {
        return Vec::new();
    }
    let has = |family: &Family| service.cluster_ips.iter().any(|address| Family::of(*address) == *family);
    let wanted = if !service.families.is_empty() {
        &service.families
    } else if service.cluster_ips.is_empty() {
        &draft.families
    } else {
        return Vec::new();
    };
    wanted.iter().copied().filter(|family| draft.families.contains(family) && !has(family)).collect()
}

/// The ClusterIP of before.
fn kept(draft: &Draft<'_>, at: usize, family: Family) -> Option<IpAddr> {
    let service = draft.cluster.services.get(at)?;
    let before = draft.earlier?.cluster.service(&service.namespace, &service.name)?;
    let of_family = before.cluster_ips.iter().copied().find(|address| Family::of(*address) == family);
    of_family.filter(|address| !draft.book.is_taken(*address))
}

fn name(service: Option<&Service>) -> String {
    let parts = |service: &Service| -> (Text, Text) { (service.namespace.clone(), service.name.clone()) };
    service
        .map(parts)
        .map_or_else(String::new, |(namespace, name)| format!("the Service `{namespace}/{name}`"))
}
