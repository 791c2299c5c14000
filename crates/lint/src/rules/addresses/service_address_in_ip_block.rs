//! An address of a Service in an `ipBlock`, where packets have the address of an endpoint.

use std::net::IpAddr;

use ringfence_manifest::edit::{Edit, Value, replace_scalar};
use ringfence_model::{
    IpNet,
    address::{Family, IpSet},
    flow::{Endpoint, Flow},
    origin::Origin,
    port::{PortSpec, Protocol},
    service::Service,
    tier::Action,
    verdict::{Direction, Outcome},
};

use super::known::{Known, endpoints, only_address, written};
use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, Body, representatives},
};

pub(super) static RULE: Rule = Rule {
    code: "RF201",
    name: "service-address-in-ip-block",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a block with the ClusterIP of a Service matches nothing: packets have an endpoint's address",
    what: "Reports `ipBlock`s, `networks` and CIDRs that hold the ClusterIP of a Service of the input, or lie within the \
           stated Service networks (`service-cidrs`). Addresses of the default Service networks of kubeadm (10.96.0.0/12) and k3s \
           (10.43.0.0/16) are reported, as a warning, if a Service of the input has its ClusterIP there, and so is the \
           address that these give the API server's Service, unless something else is known to have it.\n\n\
           A finding is an info if the engine lets the pods reach all endpoints of the Service by other rules. Wider \
           blocks, which hold other addresses too, are not reported. It keeps silent where the CNI is known to see \
           Service addresses (the profile `aws`).",
    why: "The address of a Service is replaced by that of one of its endpoints, and the port by the target port, before \
          policies look at the packet. So the rule allows nothing, and denies nothing. On a pod that runs on the \
          endpoint's own node it seems to work, because a pod's own node is never blocked.",
    bad: Example::new(
        "
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{port: 443, targetPort: 6443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: kubernetes
  namespace: default
  labels: {kubernetes.io/service-name: kubernetes}
addressType: IPv4
ports: [{name: https, port: 6443, protocol: TCP}]
endpoints: [{addresses: [172.20.0.10]}]
---
apiVersion: v1
kind: Pod
metadata: {name: operator, namespace: shop}
spec: {containers: [{name: operator, image: operator}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-api-server, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 10.96.0.1/32
      ports:
        - port: 443
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{port: 443, targetPort: 6443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: kubernetes
  namespace: default
  labels: {kubernetes.io/service-name: kubernetes}
addressType: IPv4
ports: [{name: https, port: 6443, protocol: TCP}]
endpoints: [{addresses: [172.20.0.10]}]
---
apiVersion: v1
kind: Pod
metadata: {name: operator, namespace: shop}
spec: {containers: [{name: operator, image: operator}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-api-server, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 172.20.0.10/32
      ports:
        - port: 6443
",
    ),
    check,
};

/// Default Service networks, and the address in them of the API server's Service.
const DEFAULTS: [(&str, &str, &str); 2] =
    [("kubeadm", "10.96.0.0/12", "10.96.0.1"), ("k3s", "10.43.0.0/16", "10.43.0.1")];

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cni = context.facts().cni.as_ref();
    if cni.and_then(|cni| cni.dialect.sees_service_address).is_some_and(|fact| fact.value) {
        return;
    }
    let known = Known::new(context);
    let not_services = known.cluster();
    for rule in walk::rules(context.cluster) {
        for block in rule.blocks() {
            let addresses = block.addresses();
            if !addresses.is_disjoint(&not_services) {
                continue;
            }
            let nets: Vec<(&IpNet, bool)> = [(&block.cidr, true)]
                .into_iter()
                .chain(block.except.iter().map(|net| (net, false)))
                .collect();
            for (net, whole) in nets {
                if let Some(meaning) = meaning(&known, net) {
                    let at = if whole {
                        block.place(&context.places)
                    } else {
                        block.except_place(&context.places, net)
                    };
                    report(context, &known, &rule, (net, at, whole), &meaning, findings);
                }
            }
        }
    }
}

/// What a network has to do with Services.
enum Meaning<'a> {
    /// It is the address of this one.
    Of(&'a Service),
    /// It lies within the stated Service networks.
    Stated,
    /// It lies within a default Service network, where a Service of the input has its address.
    Shown(&'static str, &'static str, &'a Service),
    /// It is the address that an installer gives the API server's Service.
    ApiServer(&'static str),
}

fn meaning<'a>(known: &Known<'a>, net: &IpNet) -> Option<Meaning<'a>> {
    let address = only_address(net);
    if let Some(service) = address.and_then(|address| known.services.get(&address)) {
        return Some(Meaning::Of(service));
    }
    if known.service_networks.contains_set(&IpSet::from_nets([net])) {
        return Some(Meaning::Stated);
    }
    if !known.service_networks.is_empty() {
        return None;
    }
    DEFAULTS.iter().find_map(|(by, range, api_server)| {
        let range_net: IpNet = range.parse().ok()?;
        if !range_net.contains(net) {
            return None;
        }
        let mut here = known.services.iter().filter(|(ip, _)| range_net.contains(*ip));
        match here.next() {
            Some((_, service)) => Some(Meaning::Shown(by, range, service)),
            None => {
                let first: IpAddr = api_server.parse().ok()?;
                (address == Some(first)).then_some(Meaning::ApiServer(by))
            }
        }
    })
}

fn report(
    context: &Context<'_>,
    known: &Known<'_>,
    rule: &AnyRule<'_>,
    (net, at, whole): (&IpNet, Origin, bool),
    meaning: &Meaning<'_>,
    findings: &mut Findings,
) {
    let what = only_address(net).map_or_else(|| format!("`{net}`"), |address| format!("`{address}`"));
    let of = match meaning {
        Meaning::Of(service) => {
            format!("the address of the Service `{}/{}`", service.namespace, service.name)
        }
        Meaning::Stated => "in the network of Services".to_owned(),
        Meaning::Shown(by, range, _) => format!("in `{range}`, the network that {by} gives Services"),
        Meaning::ApiServer(by) => format!("the address that {by} gives the Service `default/kubernetes`"),
    };
    let effect = match (whole, rule.direction, rule.action) {
        (false, ..) => "leaves nothing out",
        (_, Direction::Ingress, _) => "matches no packet: none comes from there",
        (_, _, Action::Deny) => "denies nothing",
        _ => "allows nothing",
    };
    let finding = findings.report(at, format!("`{}` {effect}: {what} is {of}", rule.meta.full_name()));
    finding.label("packets have the address and port of an endpoint when policies look at them");
    let service = match meaning {
        Meaning::Of(service) => Some(*service),
        _ => None,
    };
    let reachable = service.is_some_and(|service| all_reachable(context, rule, service));
    let resolver = service.is_some_and(|service| {
        service.ports.iter().any(|port| port.port == 53 && port.protocol == Protocol::Udp)
    });
    let severity = match meaning {
        _ if !whole => Severity::Info,
        Meaning::Of(_)
            if reachable == (rule.action == Action::Accept) && rule.direction == Direction::Egress =>
        {
            if reachable {
                Severity::Info
            } else {
                Severity::Warning
            }
        }
        // A node-local resolver may listen at the address of the cluster's.
        Meaning::Of(_) if resolver => Severity::Warning,
        Meaning::Of(_) if rule.direction == Direction::Egress => Severity::Error,
        _ => Severity::Warning,
    };
    finding.severity(severity);
    if let Meaning::Of(service) | Meaning::Shown(_, _, service) = meaning {
        finding.related(service.origin, "the Service");
    }
    finding.help(help(context, known, meaning, reachable));
    if let Some(service) = service
        && !reachable
        && let Some((title, edits, opened)) = repair(context, rule, service, at)
    {
        finding.fix(title, Some(edits), Claim::Moves(opened, Vec::new()));
    }
}

/// For a rule to one address and port of a Service with one endpoint: the endpoint's in their place, and what that opens.
fn repair(
    context: &Context<'_>,
    rule: &AnyRule<'_>,
    service: &Service,
    at: Origin,
) -> Option<(String, Vec<Edit>, Vec<Flow>)> {
    let Body::Network(_, network) = rule.body else { return None };
    let ([_], [entry]) = (network.peers.as_slice(), network.ports.as_slice()) else { return None };
    let endpoints = written(context.cluster, service);
    let [(address, protocol, port)] = endpoints.as_slice() else { return None };
    if rule.direction != Direction::Egress || entry.protocol != Some(*protocol) {
        return None;
    }
    let net = IpNet::from(*address);
    let mut edits = replace_scalar(&context.places, at, &Value::from(net.to_string().as_str()))?;
    match entry.ports {
        PortSpec::Range(first, last) if first == last && first == *port => {}
        PortSpec::Range(first, last) if first == last => {
            let number = context.places.value(entry.origin, &["port".into()])?;
            edits.extend(replace_scalar(&context.places, number, &Value::from(i64::from(*port)))?);
        }
        _ => return None,
    }
    let flows = representatives(context, &rule.subject(context)).into_iter().map(|pod| Flow {
        from: Endpoint::Pod(pod),
        to: Endpoint::Address(*address),
        family: Family::of(*address),
        protocol: *protocol,
        port: *port,
        request: None,
    });
    let opened: Vec<Flow> = flows.filter(|flow| context.compiled.outcome(flow) == Outcome::Deny).collect();
    let title = format!("name the endpoint, `{net}` on port {port}");
    (!opened.is_empty()).then_some((title, edits, opened))
}

fn help(context: &Context<'_>, known: &Known<'_>, meaning: &Meaning<'_>, reachable: bool) -> String {
    if reachable {
        return "other rules let the pods reach its endpoints: remove the block".to_owned();
    }
    let is_api_server = match meaning {
        Meaning::Of(service) => &*service.namespace == "default" && &*service.name == "kubernetes",
        Meaning::ApiServer(_) => true,
        Meaning::Stated | Meaning::Shown(..) => false,
    };
    let cilium = context.facts().cni.as_ref().is_some_and(|cni| !cni.profile.ip_block_matches_cluster);
    if is_api_server && cilium {
        return "use a CiliumNetworkPolicy with `toEntities: [kube-apiserver]`: blocks do not match nodes"
            .to_owned();
    }
    if is_api_server {
        return if known.api_servers.is_empty() {
            "name the addresses and the port of the API server's endpoints, mostly 6443: `kubectl get endpointslices -n default \
             -l kubernetes.io/service-name=kubernetes`"
                .to_owned()
        } else {
            let list: Vec<String> = known.api_servers.iter().map(|at| block_of(at.ip(), at.port())).collect();
            format!("name the API server's endpoints: {}", walk::listed(&list))
        };
    }
    let service = match meaning {
        Meaning::Of(service) => *service,
        _ => return "choose the pods of the Service with `podSelector` and `namespaceSelector`, on their own port".to_owned(),
    };
    let written = written(context.cluster, service);
    if service.selector.is_none() && !written.is_empty() {
        let list: Vec<String> = written.iter().map(|(address, _, port)| block_of(*address, *port)).collect();
        return format!("name the Service's endpoints: {}", walk::listed(&list));
    }
    let Some(selector) = &service.selector else {
        return "name the addresses and ports of the Service's endpoints".to_owned();
    };
    let labels: Vec<String> = selector.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!(
        "choose the pods of the Service, on their own port: `podSelector: {{matchLabels: {{{}}}}}` with \
         `namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {}}}}}`",
        labels.join(", "),
        service.namespace
    )
}

fn block_of(address: IpAddr, port: u16) -> String {
    format!("`{}` on port {port}", IpNet::from(address))
}

/// Whether all of the rule's pods reach all endpoints of a Service; false if there are none of either.
fn all_reachable(context: &Context<'_>, rule: &AnyRule<'_>, service: &Service) -> bool {
    let endpoints = endpoints(context.cluster, service);
    let pods = representatives(context, &rule.subject(context));
    let flows = pods.iter().flat_map(|pod| endpoints.iter().map(move |to| (*pod, to)));
    let mut any = false;
    for (pod, (to, protocol, port)) in flows {
        any = true;
        let family = match to {
            Endpoint::Address(address) => Family::of(*address),
            Endpoint::Pod(_) | Endpoint::Name(_) => context.families().first().copied().unwrap_or(Family::V4),
        };
        let flow = Flow {
            from: Endpoint::Pod(pod),
            to: to.clone(),
            family,
            protocol: *protocol,
            port: *port,
            request: None,
        };
        if context.compiled.outcome(&flow) != Outcome::Allow {
            return false;
        }
    }
    any
}
