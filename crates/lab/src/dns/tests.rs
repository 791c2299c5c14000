use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use ringfence_manifest::Input;

use super::{answer::respond, *};
use crate::plan::{self, Options};

const SHOP: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 10.1.2.3, podIPs: [{ip: 10.1.2.3}, {ip: 'fd00::5'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, clusterIP: 10.96.0.9, clusterIPs: [10.96.0.9, 'fd01::9'], ipFamilies: [IPv4, IPv6], ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: API.Example.com.}
---
apiVersion: v1
kind: Service
metadata: {name: inner, namespace: shop}
spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg, namespace: data}
spec: {serviceName: pg, replicas: 2, selector: {matchLabels: {app: pg}}, template: {metadata: {labels: {app: pg}}, spec: {containers: [{name: c, image: i, ports: [{name: sql, containerPort: 5432}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: pg, namespace: data}
spec: {clusterIP: None, selector: {app: pg}, ports: [{name: sql, port: 1, targetPort: sql}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: one.example.org}, {matchPattern: '*.example.net'}]}]}
";

fn topology() -> Topology {
    let input = Input { name: "test.yaml".to_owned(), text: SHOP.to_owned() };
    let cluster = ringfence_manifest::read(vec![input], &ringfence_manifest::Options::default()).cluster;
    plan::plan(&cluster, &Options { dual_stack: true, ..Options::default() }).unwrap()
}

/// What a client reads, sorted; the error if there is one.
fn ask(zone: &Zone, name: &str, kind: RecordType) -> Result<Vec<String>, ResponseCode> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), kind));
    let answer = Message::from_vec(&respond(&message.to_vec().unwrap(), zone, true).unwrap()).unwrap();
    assert_eq!((answer.metadata.id, &answer.queries), (message.metadata.id, &message.queries));
    if answer.metadata.response_code != ResponseCode::NoError {
        return Err(answer.metadata.response_code);
    }
    let shown = |data: &RData| match data {
        RData::A(v4) => v4.to_string(),
        RData::AAAA(v6) => v6.to_string(),
        RData::CNAME(name) => format!("-> {}", name.0),
        RData::SRV(srv) => format!("{} {}", srv.target, srv.port),
        other => other.to_string(),
    };
    Ok(answer.answers.iter().map(|record| shown(&record.data)).collect())
}

#[test]
fn services_pods_and_aliases_have_names() {
    let zone = Zone::of(&topology());
    let a = |name| ask(&zone, name, RecordType::A);
    assert_eq!(a("web.shop.svc.cluster.local").unwrap(), ["10.96.0.9"]);
    assert_eq!(a("WEB.Shop.svc.cluster.local").unwrap(), ["10.96.0.9"]);
    assert_eq!(ask(&zone, "web.shop.svc.cluster.local", RecordType::AAAA).unwrap(), ["fd01::9"]);
    assert_eq!(ask(&zone, "web.shop.svc.cluster.local", RecordType::TXT).unwrap(), [""; 0]);
    assert_eq!(a("10-1-2-3.shop.pod.cluster.local").unwrap(), ["10.1.2.3"]);
    assert_eq!(ask(&zone, "fd00--5.shop.pod.cluster.local", RecordType::AAAA).unwrap(), ["fd00::5"]);
    assert_eq!(a("inner.shop.svc.cluster.local").unwrap(), ["-> web.shop.svc.cluster.local.", "10.96.0.9"]);
    let alias = a("alias.shop.svc.cluster.local").unwrap();
    assert_eq!((alias.len(), alias[0].as_str()), (2, "-> api.example.com."));
    for name in [
        "nothing.shop.svc.cluster.local",
        "web.other.svc.cluster.local",
        "10-1-2-4.shop.pod.cluster.local",
        "web",
    ] {
        assert_eq!(a(name), Err(ResponseCode::NXDomain), "{name}");
    }
}

#[test]
fn headless_services_have_the_names_of_their_pods() {
    let topology = topology();
    let zone = Zone::of(&topology);
    let of = |name: &str| ask(&zone, name, RecordType::A).unwrap();
    let all = of("pg.data.svc.cluster.local");
    assert_eq!(all.len(), 2);
    assert_eq!([of("pg-0.pg.data.svc.cluster.local"), of("pg-1.pg.data.svc.cluster.local")].concat(), all);
    assert_eq!(
        ask(&zone, "_sql._tcp.pg.data.svc.cluster.local", RecordType::SRV).unwrap(),
        ["pg-0.pg.data.svc.cluster.local. 5432", "pg-1.pg.data.svc.cluster.local. 5432"]
    );
    assert_eq!(
        ask(&zone, "_http._tcp.web.shop.svc.cluster.local", RecordType::SRV).unwrap(),
        ["web.shop.svc.cluster.local. 80"]
    );
}

#[test]
fn names_of_policies_are_outside() {
    let topology = topology();
    let zone = Zone::of(&topology);
    let internet = topology.cluster.internet(Family::V4);
    let one = |name: &str| ask(&zone, name, RecordType::A).unwrap().concat().parse().unwrap();
    let (name, below, same) = (one("one.example.org"), one("a.example.net"), one("b.example.net"));
    assert!(internet.contains(name) && internet.contains(below));
    assert!(name != below && below == same);
    assert_eq!(ask(&zone, "two.example.org", RecordType::A), Err(ResponseCode::NXDomain));
}

#[test]
fn what_is_no_question_gets_an_error_or_nothing() {
    let zone = Zone::default();
    let code = |bytes: &[u8]| {
        respond(bytes, &zone, true).map(|answer| Message::from_vec(&answer).unwrap().metadata.response_code)
    };
    assert_eq!(code(b""), None);
    assert_eq!(code(b"hello"), None);
    assert_eq!(code(&[1, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0]), Some(ResponseCode::FormErr));
    assert_eq!(code(&[1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(ResponseCode::NotImp));
    // A response is never answered: two responders would talk for ever.
    assert_eq!(code(&[1, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
}

#[test]
fn a_long_answer_is_cut_over_udp_only() {
    let mut text = String::new();
    for number in 0..60 {
        text.push_str(&format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}, namespace: shop, labels: {{app: web}}}}\nspec: {{containers: [{{name: c, image: i}}]}}\n"
        ));
    }
    text.push_str("---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}\n");
    let input = Input { name: "test.yaml".to_owned(), text };
    let cluster = ringfence_manifest::read(vec![input], &ringfence_manifest::Options::default()).cluster;
    let zone = Zone::of(&plan::plan(&cluster, &Options::default()).unwrap());
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii("web.shop.svc.cluster.local.").unwrap(), RecordType::A));
    let asked = message.to_vec().unwrap();
    let udp = Message::from_vec(&respond(&asked, &zone, true).unwrap()).unwrap();
    let tcp = Message::from_vec(&respond(&asked, &zone, false).unwrap()).unwrap();
    assert!(udp.metadata.truncation && udp.answers.is_empty());
    assert!(!tcp.metadata.truncation && tcp.answers.len() == 60);
}

#[test]
fn resolv_conf_names_the_clusters_dns_or_the_loopback() {
    let topology = topology();
    assert_eq!(
        resolv_conf(&topology.cluster, "shop"),
        "nameserver 127.0.0.53\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    );
}
