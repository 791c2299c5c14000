//! Objects of other kinds where someone asks for details: webhooks, aggregated APIs, monitors; and where every object
//! is.

use ringfence_manifest::Loaded;
use ringfence_model::{
    caller::CallerKind,
    monitor::{Monitor, MonitorKind, MonitorNamespaces, MonitorPort},
    service::TargetPort,
};

use super::{detailed, details::written, findings, load};

const CALLERS: &str = "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: policy}
webhooks:
- name: validate.policy.example.com
  clientConfig:
    caBundle: Cg==
    service:
      namespace: policy-system
      name: policy
      path: /validate
- name: far.policy.example.com
  clientConfig: {url: 'https://policy.example.com/validate'}
- name: other.policy.example.com
  clientConfig: {service: {namespace: policy-system, name: policy, port: 9443}}
---
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingWebhookConfiguration
metadata: {name: injector}
webhooks: [{name: inject.example.com, clientConfig: {service: {namespace: mesh, name: injector, port: 15017}}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  service: {name: metrics-server, namespace: kube-system}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.apps}
spec: {group: apps}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: certificates.cert.example.com}
spec:
  conversion:
    strategy: Webhook
    webhook:
      clientConfig:
        service: {namespace: cert, name: cert-webhook, port: 443, path: /convert}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: plain.example.com}
spec: {conversion: {strategy: None}}
";

#[test]
fn services_that_the_api_server_calls() {
    let loaded = detailed(CALLERS);
    assert_eq!(findings(&loaded), "");
    let callers: Vec<_> = (loaded.cluster.callers.iter())
        .map(|one| (one.kind, &*one.name, &*one.namespace, &*one.service, one.port))
        .collect();
    assert_eq!(
        callers,
        [
            (CallerKind::ConversionWebhook, "certificates.cert.example.com", "cert", "cert-webhook", 443),
            (CallerKind::ApiService, "v1beta1.metrics.k8s.io", "kube-system", "metrics-server", 443),
            (CallerKind::MutatingWebhook, "injector", "mesh", "injector", 15017),
            (CallerKind::ValidatingWebhook, "policy", "policy-system", "policy", 443),
            (CallerKind::ValidatingWebhook, "policy", "policy-system", "policy", 9443),
        ]
    );
    let places: Vec<&str> = loaded.cluster.callers.iter().map(|one| written(&loaded, one.origin)).collect();
    assert_eq!(places[1], "{name: metrics-server, namespace: kube-system}");
    assert_eq!(places[3], "namespace: policy-system\n      name: policy\n      path: /validate");
    assert!(loaded.ignored.is_empty(), "{:?}", loaded.ignored);
    let without = load(CALLERS);
    assert!(without.cluster.callers.is_empty());
    assert_eq!(without.ignored.get("apiregistration.k8s.io/v1/APIService"), Some(&2));
}

#[test]
fn references_that_make_no_sense_are_left_out() {
    let text = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: odd}
webhooks:
- {clientConfig: {service: {name: no-namespace}}}
- {clientConfig: {service: {namespace: a, name: b, port: x}}}
- {clientConfig: [x]}
- 3
- {clientConfig: {service: {namespace: a, name: good}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: odd}
webhooks: [{clientConfig: {service: {namespace: a, name: again}}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
webhooks: {a: b}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: odd}
spec: {selector: {matchLabels: {'a b': c}}}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: no-selector}
spec: {podMetricsEndpoints: []}
";
    let loaded = detailed(text);
    assert_eq!(findings(&loaded), "");
    let services: Vec<&str> = loaded.cluster.callers.iter().map(|one| &*one.service).collect();
    assert_eq!(services, ["good"]);
    assert!(loaded.cluster.monitors.is_empty());
}

#[test]
fn monitors() {
    let loaded = detailed(
        "
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: api, namespace: monitoring, labels: {release: prometheus}}
spec:
  namespaceSelector: {matchNames: [shop, staging]}
  selector:
    matchLabels: {app: api}
    matchExpressions: [{key: tier, operator: NotIn, values: [db]}]
  endpoints:
  - port: metrics
    interval: 30s
  - targetPort: 9090
  - {path: /metrics}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: agents}
spec:
  namespaceSelector: {any: true}
  selector: {}
  podMetricsEndpoints: [{port: http}, {portNumber: 8080}, {targetPort: admin}]
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: own}
spec: {selector: {matchLabels: {app: x}}}
",
    );
    assert_eq!(findings(&loaded), "");
    assert!(loaded.ignored.is_empty());
    let [agents, own, api] = &loaded.cluster.monitors[..] else { panic!("three monitors") };
    assert_eq!(
        (agents.kind, &*agents.namespace, &*agents.name),
        (MonitorKind::PodMonitor, "default", "agents")
    );
    assert_eq!(agents.namespaces, MonitorNamespaces::Any);
    assert!(agents.selector.is_empty());
    assert_eq!(ports(&loaded, agents), ["http - @ http", "- 8080 @ 8080", "- admin @ admin"]);
    assert_eq!((&own.namespaces, own.ports.len()), (&MonitorNamespaces::Own, 0));
    assert_eq!((api.kind, &*api.namespace), (MonitorKind::ServiceMonitor, "monitoring"));
    assert_eq!(api.namespaces, MonitorNamespaces::Named(vec!["shop".into(), "staging".into()]));
    assert_eq!(api.selector.requirements.len(), 2);
    assert_eq!(ports(&loaded, api), ["metrics - @ metrics", "- 9090 @ 9090", "- - @ {path: /metrics}"]);
    assert_eq!(written(&loaded, api.origin), "api");
}

fn ports(loaded: &Loaded, monitor: &Monitor) -> Vec<String> {
    let show = |port: &MonitorPort| {
        let target = match &port.target {
            Some(TargetPort::Number(number)) => number.to_string(),
            Some(TargetPort::Name(name)) => name.to_string(),
            None => "-".to_owned(),
        };
        let name = port.name.as_deref().unwrap_or("-");
        format!("{name} {target} @ {}", written(loaded, port.origin))
    };
    monitor.ports.iter().map(show).collect()
}

#[test]
fn every_object_is_listed_in_the_order_of_the_texts() {
    let loaded = detailed(
        "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: shop, labels: {app: web}, annotations: {note: x}}
  spec: {ports: [{port: 80}]}
- {apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}
- {kind: Unversioned, metadata: {name: u}}
---
apiVersion: v1
kind: PodList
items: [{metadata: {generateName: job-}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: Not Valid, labels: {ok: a, odd: 3}}
spec: {podSelector: {}, wrong: 1}
---
apiVersion: v1
kind: NetworkPolicy
metadata: {namespace: x}
---
{kind: Thing, metadata: {name: t}}
---
apiVersion: 1
kind: Numbered
---
apiVersion: v1
kind: 1
---
just: values
---
apiVersion: v1
kind: Pod
metadata: {name: '{{ .Values.name }}'}
",
    );
    let shown: Vec<String> = (loaded.documents.iter())
        .map(|one| {
            let namespace = one.namespace.as_deref().unwrap_or("-");
            let counts = (one.labels.len(), one.annotations.len());
            let at = written(&loaded, one.origin);
            format!("{} {} {namespace} {:?} {counts:?} @ {at}", one.api_version, one.kind, &*one.name)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "v1 Service shop \"web\" (1, 1) @ web",
            "example.com/v1 Widget - \"w\" (0, 0) @ w",
            " Unversioned - \"u\" (0, 0) @ u",
            "v1 Pod - \"job-\" (0, 0) @ job-",
            "networking.k8s.io/v1 NetworkPolicy - \"Not Valid\" (1, 0) @ Not Valid",
            "v1 NetworkPolicy x \"\" (0, 0) @ NetworkPolicy",
            " Thing - \"t\" (0, 0) @ t",
            " Numbered - \"\" (0, 0) @ Numbered",
        ]
    );
    let body = |at: usize| written(&loaded, loaded.documents[at].body);
    assert!(body(0).starts_with("apiVersion: v1\n  kind: Service\n"));
    assert!(body(0).ends_with("spec: {ports: [{port: 80}]}"));
    assert_eq!(body(1), "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}");
    assert_eq!(body(3), "{metadata: {generateName: job-}}");
    assert!(body(4).starts_with("apiVersion: networking") && body(4).ends_with("wrong: 1}"));
}
