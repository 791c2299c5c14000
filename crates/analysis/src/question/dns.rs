//! DNS names that the cluster itself answers (the Kubernetes DNS specification). In: a name. Out: what it stands for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an in-cluster DNS name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClusterName<'a> {
    /// `service.namespace.svc`.
    Service { namespace: &'a str, service: &'a str },
    /// `host.service.namespace.svc`: a pod behind a headless Service.
    Host { namespace: &'a str, service: &'a str, host: &'a str },
    /// `10-0-0-1.namespace.pod`.
    Address(IpAddr),
}

/// Reads a name below `svc` or `pod`, whatever the cluster domain after it; nothing if it is not of that form.
pub(super) fn parse(name: &str) -> Option<ClusterName<'_>> {
    let labels: Vec<&str> = name.split('.').collect();
    // The zone (`cluster.local`) follows; a name such as `a.svc.example.com` has too few labels before `svc`.
    match labels.as_slice() {
        [service, namespace, "svc", ..] => Some(ClusterName::Service { namespace, service }),
        [host, service, namespace, "svc", ..] => Some(ClusterName::Host { namespace, service, host }),
        [dashed, _, "pod", ..] => address(dashed).map(ClusterName::Address),
        _ => None,
    }
}

/// `10-0-0-1` or `2001-db8--1`.
fn address(dashed: &str) -> Option<IpAddr> {
    let v4 = dashed.replace('-', ".").parse::<Ipv4Addr>().map(IpAddr::V4);
    v4.or_else(|_| dashed.replace('-', ":").parse::<Ipv6Addr>().map(IpAddr::V6)).ok()
}

/// Whether a text can be a DNS name outside the cluster: two labels or more, and not only digits.
pub(super) fn is_outside_name(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let label = |label: &&str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    labels.len() >= 2
        && text.len() <= 253
        && labels.iter().all(label)
        && labels.last().is_some_and(|last| !last.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_cluster_and_names_outside() {
        let service = Some(ClusterName::Service { namespace: "shop", service: "api" });
        assert_eq!(parse("api.shop.svc"), service);
        assert_eq!(parse("api.shop.svc.cluster.local"), service);
        let host = ClusterName::Host { namespace: "data", service: "pg", host: "pg-0" };
        assert_eq!(parse("pg-0.pg.data.svc.cluster.local"), Some(host));
        let pod = ClusterName::Address("10.0.0.1".parse().unwrap());
        assert_eq!(parse("10-0-0-1.shop.pod.cluster.local"), Some(pod));
        assert_eq!(parse("api.example.com"), None);
        assert!(is_outside_name("api.example.com") && is_outside_name("xn--e1a.de"));
        for bad in ["api", "1.2.3.4", "a..b", "-a.b", "*.example.com", "a b.c"] {
            assert!(!is_outside_name(bad), "{bad}");
        }
    }
}
