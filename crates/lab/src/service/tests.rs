use std::collections::BTreeSet;

use ringfence_analysis::question::{self, End, Named, Place, PortAsk, PortItem, PortName, Question, Ruling};
use ringfence_manifest::Input;
use ringfence_model::{flow::Endpoint, workload::PodId};
use ringfence_policy::Compiled;

use super::*;
use crate::plan::{self, Options};

const SHOP: &str = "
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8081}, {name: dns, containerPort: 53, protocol: UDP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sick, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8082}]}]}
status: {phase: Running, conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: done, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8083}]}]}
status: {phase: Succeeded}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: shop, labels: {app: web}}
spec: {hostNetwork: true, containers: [{name: c, image: i, ports: [{name: http, containerPort: 8084}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: number, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 9090}]}
---
apiVersion: v1
kind: Service
metadata: {name: named, namespace: shop}
spec: {selector: {app: web}, ports: [{name: web, port: 80, targetPort: http}, {name: dns, port: 53, protocol: UDP, targetPort: dns}, {name: lost, port: 99, targetPort: lost}]}
---
apiVersion: v1
kind: Service
metadata: {name: unready, namespace: shop}
spec: {selector: {app: web}, publishNotReadyAddresses: true, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: slices, namespace: shop}
spec: {ports: [{name: web, port: 80, targetPort: 1}, {name: other, port: 81}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s, namespace: shop, labels: {kubernetes.io/service-name: slices}}
addressType: IPv4
ports: [{name: web, port: 7070, protocol: TCP}]
endpoints: [{addresses: [192.0.2.10]}, {addresses: [10.9.9.9], targetRef: {kind: Pod, name: two}}, {addresses: [192.0.2.11], conditions: {ready: false}}]
";

fn shop() -> Cluster {
    let input = Input { name: "test.yaml".to_owned(), text: SHOP.to_owned() };
    let cluster = ringfence_manifest::read(vec![input], &ringfence_manifest::Options::default()).cluster;
    assert_eq!((cluster.pods.len(), cluster.services.len()), (5, 5));
    plan::plan(&cluster, &Options { dual_stack: true, ..Options::default() }).unwrap().cluster
}

/// Where the engine says that a Service's port leads: pods by name or addresses, with the ports reached.
fn engine(
    cluster: &Cluster,
    service: usize,
    address: IpAddr,
    port: &ringfence_model::service::ServicePort,
) -> BTreeSet<String> {
    let named = |end| Named { full: String::new(), given: String::new(), end, note: None };
    let question = Question {
        from: named(End::Pod(PodId(0))),
        to: named(End::Service(service, Some(Family::of(address)))),
        ports: PortAsk::Some(vec![PortItem {
            port: PortName::Range(port.port, port.port),
            protocol: Some(port.protocol),
        }]),
        request: None,
    };
    let judge = Compiled::new(cluster.clone());
    let answer = question::answer(&question, cluster, &judge).unwrap();
    let mut found = BTreeSet::new();
    for part in answer.parts {
        let Ruling::Judged { sample, .. } = part.ruling else { continue };
        match part.to {
            Place::Pods(pods) => found
                .extend(pods.iter().map(|id| format!("{} {}", cluster.pod(*id).unwrap().name, sample.port))),
            _ => {
                let Endpoint::Address(address) = sample.to else { panic!("neither pod nor address") };
                found.insert(format!("{address} {}", sample.port));
            }
        }
    }
    found
}

#[test]
fn targets_are_where_the_engine_says_that_a_service_leads() {
    let cluster = shop();
    let mut some = 0;
    for (at, service) in cluster.services.iter().enumerate() {
        for (address, port) in
            service.cluster_ips.iter().flat_map(|ip| service.ports.iter().map(move |port| (ip, port)))
        {
            let targets = targets(&cluster, service, port, Family::of(*address));
            let shown = |target: &Target| {
                let is = |pod: &&ringfence_model::workload::Pod| {
                    !pod.finished && pod.addresses.contains(&target.address)
                };
                let pod = cluster.pods.iter().find(is);
                format!(
                    "{} {}",
                    pod.map_or_else(|| target.address.to_string(), |pod| pod.name.to_string()),
                    target.port
                )
            };
            let mut engine = engine(&cluster, at, *address, port);
            if address.is_ipv6() {
                // An IPv4 address is no target of an IPv6 Service; the engine's answer names it as a part all the same.
                engine.retain(|target| !target.starts_with("192.0.2."));
            }
            let ours: BTreeSet<String> = targets.iter().map(shown).collect();
            assert_eq!(ours, engine, "{} {}", service.name, port.port);
            some += targets.len();
        }
    }
    assert!(some > 20, "{some}");
}

#[test]
fn the_table_spreads_evenly_and_knows_every_door() {
    let cluster = shop();
    let table = table(&cluster);
    let at = cluster.services.iter().position(|service| &*service.name == "number").unwrap();
    let chain = &table.chains[format!("svc_{at}_0_4").as_str()];
    let one_in: Vec<u32> = (chain.rules.iter())
        .filter_map(|rule| match rule.statements.first() {
            Some(Statement::Random(random)) => Some(random.one_in),
            _ => None,
        })
        .collect();
    assert_eq!((one_in, chain.rules.len()), (vec![3, 2], 3));
    assert_eq!(chain.rules[0].comment.as_deref(), Some("shop/number"));
    // Five Services with an address of each family; doors only where something answers.
    assert_eq!(table.sets["virtual4"].elements.len(), 5);
    assert_eq!(table.maps["doors4"].elements.len(), 5);
    assert_eq!(table.maps["doors6"].elements.len(), 5, "the slices' one pod has an IPv6 address too");
    assert_eq!(table, super::table(&cluster));
}
