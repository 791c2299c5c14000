//! Services, their endpoints, and what leads to them.

use std::net::IpAddr;

use ringfence_model::{
    port::Protocol,
    service::{BackendPort, ServiceType, TargetPort},
};

use super::{clean, load};

#[test]
fn services_and_their_endpoints() {
    let loaded = clean(
        "
apiVersion: v1
kind: Namespace
metadata: {name: x}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: x, labels: {a: b}}
spec:
  type: LoadBalancer
  selector: {app: web}
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, 'fd00::a']
  externalIPs: [1.2.3.4]
  ipFamilies: [IPv4, IPv6]
  publishNotReadyAddresses: true
  ports:
  - {name: http, port: 80, targetPort: web, nodePort: 30080}
  - {name: dns, port: 53, protocol: UDP}
  - {name: alt, port: 81, targetPort: 8081}
status: {loadBalancer: {ingress: [{ip: 5.6.7.8}, {hostname: lb.example}]}}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: x}
spec: {clusterIP: None, selector: {}}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: x}
spec: {type: ExternalName, externalName: example.com, selector: {a: b}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: headless-1, namespace: x, labels: {kubernetes.io/service-name: headless}}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], conditions: {ready: false}, targetRef: {kind: Pod, name: p}}
- {addresses: [10.0.0.2]}
ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: headless, namespace: x}
subsets: [{addresses: [{ip: 10.0.0.9}]}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: external, namespace: x}
subsets: [{addresses: [{ip: 10.0.0.9}], notReadyAddresses: [{ip: 10.0.0.8}], ports: [{port: 5432}]}]
",
    );
    let [alias, headless, web] = &loaded.cluster.services[..] else { panic!("three Services") };
    assert_eq!(alias.kind, ServiceType::ExternalName("example.com".into()));
    assert_eq!(alias.selector, None);
    assert!(headless.headless && headless.selector.is_none() && headless.cluster_ips.is_empty());
    assert_eq!(web.cluster_ips.len(), 2);
    assert_eq!(web.external_ips, ["1.2.3.4".parse::<IpAddr>().unwrap(), "5.6.7.8".parse().unwrap()]);
    assert!(web.publish_not_ready);
    let targets: Vec<_> =
        web.ports.iter().map(|port| (port.port, port.protocol, port.target.clone())).collect();
    assert_eq!(
        targets,
        [
            (80, Protocol::Tcp, TargetPort::Name("web".into())),
            (53, Protocol::Udp, TargetPort::Number(53)),
            (81, Protocol::Tcp, TargetPort::Number(8081)),
        ]
    );
    assert_eq!(web.ports[0].node_port, Some(30080));
    let [external, slice] = &loaded.cluster.endpoint_slices[..] else { panic!("two slices") };
    assert_eq!(external.service.as_deref(), Some("external"));
    assert_eq!(external.endpoints.iter().map(|endpoint| endpoint.ready).collect::<Vec<_>>(), [true, false]);
    assert_eq!(slice.service.as_deref(), Some("headless"));
    assert_eq!(slice.endpoints[0].pod.as_deref(), Some("p"));
    assert_eq!(slice.endpoints.iter().map(|endpoint| endpoint.ready).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn entry_points() {
    let loaded = load(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: x}
spec:
  ingressClassName: nginx
  defaultBackend: {service: {name: fallback, port: {number: 80}}}
  rules:
  - host: shop.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}, {path: /x, backend: {service: {name: web, port: {name: http}}}}]}
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: b, namespace: x, annotations: {kubernetes.io/ingress.class: traefik}}
spec: {rules: [{http: {paths: [{backend: {serviceName: web, servicePort: 80}}]}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: infra}
spec: {gatewayClassName: envoy, listeners: [{name: http, hostname: '*.example', port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata: {name: r, namespace: x}
spec:
  parentRefs: [{name: gw, namespace: infra}, {name: mesh, kind: Service}]
  hostnames: [shop.example]
  rules: [{backendRefs: [{name: web, port: 80}, {name: other, kind: Bucket}]}]
",
    );
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["removed-api-version", "implied-namespace"]);
    let [gateway, a, b, route] = &loaded.cluster.entry_points[..] else { panic!("four entry points") };
    assert_eq!(gateway.hosts, ["*.example".into()]);
    assert_eq!(a.class.as_deref(), Some("nginx"));
    let backends: Vec<_> =
        a.backends.iter().map(|backend| (&*backend.service, backend.port.clone())).collect();
    assert_eq!(
        backends,
        [("fallback", Some(BackendPort::Number(80))), ("web", Some(BackendPort::Name("http".into())))]
    );
    assert_eq!(b.class.as_deref(), Some("traefik"));
    assert_eq!(b.backends[0].port, Some(BackendPort::Number(80)));
    assert_eq!(route.parents, [("infra".into(), "gw".into())]);
    assert_eq!(route.backends.len(), 1);
}
