//! What is read of pods where someone asks for details: containers, environment, probes, annotations.

#![expect(clippy::unwrap_used, reason = "a test that does not find its pod has failed")]

use ringfence_manifest::Loaded;
use ringfence_model::{
    details::{Container, PodDetails, ProbeAction, ProbeKind},
    origin::Origin,
    service::TargetPort,
    workload::Pod,
};

use super::{detailed, findings};

/// The text that an origin points at.
pub(super) fn written(loaded: &Loaded, origin: Origin) -> &str {
    let source = loaded.cluster.sources.get(origin.source);
    source.and_then(|source| source.text.get(origin.start as usize..origin.end as usize)).unwrap_or_default()
}

/// The first pod of a workload.
#[track_caller]
fn pod<'l>(loaded: &'l Loaded, name: &str) -> &'l Pod {
    loaded.cluster.pods.iter().find(|pod| *pod.name == *name).unwrap()
}

#[track_caller]
fn details<'l>(loaded: &'l Loaded, name: &str) -> &'l PodDetails {
    pod(loaded, name).details.as_deref().unwrap()
}

/// The environment as `NAME=value @ text of the origin`; an unknown value is `?`.
fn environment(loaded: &Loaded, container: &Container) -> Vec<String> {
    let show = |variable: &ringfence_model::details::EnvVar| {
        let value = variable.value.as_deref().unwrap_or("?");
        let at = written(loaded, variable.origin).replace('\n', " ");
        format!("{}={value} @ {at}", variable.name)
    };
    container.env.iter().map(show).collect()
}

const SHOP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  namespace: shop
  annotations: {owner: team-a}
spec:
  replicas: 3
  selector: {matchLabels: {app: api}}
  template:
    metadata:
      labels: {app: api}
      annotations:
        prometheus.io/scrape: \"true\"
        prometheus.io/port: \"9090\"
        sidecars: 1
    spec:
      dnsPolicy: ClusterFirst
      initContainers:
      - name: migrate
        image: registry.example.com/shop/migrate:1.4
        command: [/bin/migrate]
        env:
        - {name: DATABASE_URL, value: 'postgres://db.shop.svc:5432/shop'}
      containers:
      - name: api
        image: registry.example.com/shop/api:1.4
        command: [\"/api\"]
        args: [\"--listen\", \":8080\", --redis=cache:6379]
        envFrom:
        - configMapRef: {name: settings}
        - prefix: FLAG_
          configMapRef: {name: flags}
        - secretRef: {name: keys}
        - configMapRef: {name: not-given}
        env:
        - name: LOG_LEVEL
          value: debug
        - name: CATALOG
          valueFrom: {configMapKeyRef: {name: settings, key: catalog_url}}
        - name: NOWHERE
          valueFrom: {configMapKeyRef: {name: settings, key: none}}
        - name: PASSWORD
          valueFrom: {secretKeyRef: {name: db, key: password}}
        - name: EMPTY
        - name: EMPTY
          value:
        ports:
        - {name: http, containerPort: 8080}
        - {name: admin, containerPort: 9090}
        livenessProbe:
          httpGet: {path: /healthz, port: admin}
        readinessProbe:
          tcpSocket:
            port: 8080
        startupProbe:
          grpc: {port: 9000}
      - name: sidecar
        livenessProbe: {exec: {command: [\"true\"]}}
        readinessProbe: {httpGet: {port: 8080, host: other.example.com}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data:
  LOG_LEVEL: info
  catalog_url: http://catalog:8080
  script: |
    one
    two
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG_LEVEL: of another namespace}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: flags, namespace: shop}
data: {BETA: \"yes\"}
";

#[test]
fn the_containers_of_a_deployment() {
    let loaded = detailed(SHOP);
    assert_eq!(findings(&loaded), "");
    let api = details(&loaded, "api");
    let annotations: Vec<(&str, &str)> = api.annotations.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(annotations, [("prometheus.io/port", "9090"), ("prometheus.io/scrape", "true")]);
    assert_eq!(api.dns_policy.as_deref(), Some("ClusterFirst"));
    let names: Vec<(&str, bool)> = api.containers.iter().map(|one| (&*one.name, one.init)).collect();
    assert_eq!(names, [("api", false), ("sidecar", false), ("migrate", true)]);
    let [main, sidecar, migrate] = &api.containers[..] else { panic!("three containers") };
    assert_eq!(main.image.as_deref(), Some("registry.example.com/shop/api:1.4"));
    let arguments: Vec<&str> = main.arguments.iter().map(|text| &**text).collect();
    assert_eq!(arguments, ["/api", "--listen", ":8080", "--redis=cache:6379"]);
    assert!(written(&loaded, main.origin).starts_with("name: api\n        image"));
    assert!(written(&loaded, main.origin).ends_with("grpc: {port: 9000}"));
    assert_eq!((sidecar.image.as_deref(), sidecar.env.len()), (None, 0));
    let expected = "DATABASE_URL=postgres://db.shop.svc:5432/shop @ 'postgres://db.shop.svc:5432/shop'";
    assert_eq!(environment(&loaded, migrate), [expected]);
    // Both stand-ins share what is the same.
    let pods: Vec<&Pod> = loaded.cluster.pods.iter().filter(|pod| &*pod.name == "api").collect();
    assert_eq!(pods.len(), 2);
    assert!(std::ptr::eq(details(&loaded, "api"), pods[1].details.as_deref().unwrap()));
}

#[test]
fn the_environment_comes_from_config_maps_too() {
    let loaded = detailed(SHOP);
    let api = &details(&loaded, "api").containers[0];
    assert_eq!(
        environment(&loaded, api),
        [
            "catalog_url=http://catalog:8080 @ http://catalog:8080",
            "script=one\ntwo\n @ one     two",
            "FLAG_BETA=yes @ \"yes\"",
            "LOG_LEVEL=debug @ debug",
            "CATALOG=http://catalog:8080 @ http://catalog:8080",
            "NOWHERE=? @ name: NOWHERE           valueFrom: {configMapKeyRef: {name: settings, key: none}}",
            "PASSWORD=? @ name: PASSWORD           valueFrom: {secretKeyRef: {name: db, key: password}}",
            "EMPTY= @ name: EMPTY           value",
        ]
    );
}

#[test]
fn the_order_of_documents_does_not_matter() {
    let mut documents: Vec<&str> = SHOP.split("---\n").collect();
    documents.reverse();
    let reversed = detailed(&documents.join("---\n"));
    let values = |loaded: &Loaded| -> Vec<String> {
        let env = &details(loaded, "api").containers[0].env;
        env.iter().map(|one| format!("{}={:?}", one.name, one.value)).collect()
    };
    assert_eq!(values(&reversed), values(&detailed(SHOP)));
}

#[test]
fn probes_with_the_places_of_their_ports() {
    let loaded = detailed(SHOP);
    let [main, sidecar, _] = &details(&loaded, "api").containers[..] else { panic!("three containers") };
    let actions: Vec<_> = main.probes.iter().map(|probe| (probe.kind, probe.action.clone())).collect();
    let http = ProbeAction::Http { port: TargetPort::Name("admin".into()), path: Some("/healthz".into()) };
    assert_eq!(
        actions,
        [
            (ProbeKind::Liveness, http),
            (ProbeKind::Readiness, ProbeAction::Tcp { port: TargetPort::Number(8080) }),
            (ProbeKind::Startup, ProbeAction::Grpc { port: 9000 }),
        ]
    );
    let places: Vec<&str> = main.probes.iter().map(|probe| written(&loaded, probe.origin)).collect();
    assert_eq!(places, ["admin", "8080", "9000"]);
    // The one that goes to another host is not the pod's.
    let [probe] = &sidecar.probes[..] else { panic!("one probe") };
    assert_eq!((probe.kind, &probe.action), (ProbeKind::Liveness, &ProbeAction::Exec));
    assert_eq!(written(&loaded, probe.origin), "{command: [\"true\"]}");
}

#[test]
fn cron_jobs_stateful_sets_and_pods() {
    let loaded = detailed(
        "
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec:
      template:
        metadata: {annotations: {note: nightly}}
        spec:
          restartPolicy: Never
          containers: [{name: report, image: report:1, args: [--to, 'mail:25'], env: [{name: DB, value: db:5432}]}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db-headless
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, readinessProbe: {tcpSocket: {port: pg}}, ports: [{name: pg, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: debug, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}', by: hand}}
spec: {dnsPolicy: Default, containers: [{name: shell}]}
---
apiVersion: v1
kind: Service
metadata: {name: edge}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: inner}
spec: {externalTrafficPolicy: Cluster, ports: [{port: 443}]}
",
    );
    assert_eq!(findings(&loaded), "");
    let report = details(&loaded, "report");
    assert_eq!(report.annotations.get("note").map(|note| &**note), Some("nightly"));
    assert_eq!(environment(&loaded, &report.containers[0]), ["DB=db:5432 @ db:5432"]);
    assert_eq!(report.containers[0].arguments.len(), 2);
    let db = details(&loaded, "db");
    assert_eq!(db.containers[0].probes[0].action, ProbeAction::Tcp { port: TargetPort::Name("pg".into()) });
    let names: Vec<(&str, Option<&str>)> =
        loaded.cluster.workloads.iter().map(|one| (&*one.name, one.service_name.as_deref())).collect();
    assert_eq!(names, [("db", Some("db-headless")), ("debug", None), ("report", None)]);
    let debug = details(&loaded, "debug");
    assert_eq!(debug.dns_policy.as_deref(), Some("Default"));
    let annotations: Vec<&str> = debug.annotations.iter().map(|(key, _)| &**key).collect();
    assert_eq!(annotations, ["by"]);
    let local: Vec<bool> = loaded.cluster.services.iter().map(|one| one.external_traffic_local).collect();
    assert_eq!(local, [true, false]);
}

#[test]
fn values_of_the_wrong_type_are_skipped_without_a_word() {
    let text = "
apiVersion: v1
kind: Pod
metadata: {name: odd, annotations: [a]}
spec:
  dnsPolicy: 3
  containers:
  - name: 7
    image: {}
    command: run
    args: [1, ok, [x]]
    env: [{value: x}, {name: NUMBER, value: 8080}, text, {name: FROM, valueFrom: 3}, {name: A, value: a}]
    envFrom: {configMapRef: {name: map}}
    livenessProbe: [x]
    readinessProbe: {httpGet: {port: '80'}}
    startupProbe: {grpc: {port: 70000}}
  - {name: second, readinessProbe: {httpGet: {path: /}}, livenessProbe: {tcpSocket: {port: 0}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: map}
data: [x]
---
apiVersion: v1
kind: ConfigMap
data: {a: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: map}
data: {a: 1, b: x}
";
    let loaded = detailed(text);
    assert_eq!(findings(&loaded), findings(&super::load(text)));
    let odd = details(&loaded, "odd");
    assert!(odd.annotations.is_empty() && odd.dns_policy.is_none());
    let [first, second] = &odd.containers[..] else { panic!("two containers") };
    assert_eq!((&*first.name, first.image.as_deref(), first.probes.len()), ("", None, 0));
    let arguments: Vec<&str> = first.arguments.iter().map(|text| &**text).collect();
    assert_eq!(arguments, ["ok"]);
    let env: Vec<(&str, Option<&str>)> =
        first.env.iter().map(|one| (&*one.name, one.value.as_deref())).collect();
    assert_eq!(env, [("NUMBER", None), ("FROM", None), ("A", Some("a"))]);
    assert_eq!(second.probes.len(), 0);
}

#[test]
fn nothing_is_read_unless_asked_for() {
    let loaded = super::load(SHOP);
    assert!(loaded.cluster.pods.iter().all(|pod| pod.details.is_none()));
    assert!(loaded.documents.is_empty());
    assert_eq!(loaded.ignored.get("v1/ConfigMap"), Some(&3));
    assert!(detailed(SHOP).ignored.is_empty());
}
