//! Names, ports and Services of questions. In: a small cluster with traps in its names. Out: what a question stands for, and
//! what is said when it stands for nothing or for too much.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use ringfence_analysis::question::{Answer, Ask, Problem, Question, Ruling, Summary, answer};
use ringfence_manifest::{Input, Options, read};
use ringfence_model::cluster::Cluster;
use ringfence_policy::Compiled;

const CLUSTER: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9000}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, namespace: twins}
spec: {selector: {matchLabels: {app: s}}, template: {metadata: {labels: {app: s}}, spec: {containers: []}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: twins}
spec: {selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: {containers: []}}}
---
apiVersion: v1
kind: Pod
metadata: {name: edge-7d4f, namespace: kube-system, labels: {app.kubernetes.io/name: traefik}}
spec: {containers: [{name: c}]}
status: {phase: Running, podIP: 10.244.0.7}
---
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: shop}
spec: {containers: [{name: c}]}
status: {phase: Succeeded, podIP: 10.244.0.8}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: data}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: front, namespace: shop}
spec: {clusterIP: 10.96.0.5, selector: {app: web}, ports: [{name: web, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: data}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {clusterIP: 10.96.0.6, selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: pay, namespace: shop}
spec: {type: ExternalName, externalName: api.pay.example.com}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: front.shop.svc.cluster.local}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pods-port-only, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: http}]}]}
";

fn cluster() -> Cluster {
    let loaded =
        read(vec![Input { name: "a.yaml".to_owned(), text: CLUSTER.to_owned() }], &Options::default());
    loaded.cluster
}

fn ask_in(namespace: Option<&str>, from: &str, to: &str, port: &str) -> Result<(Question, Answer), Problem> {
    let cluster = cluster();
    let ask = Ask { from, to, port: Some(port), request: None, namespace };
    let question = Question::resolve(&ask, &cluster)?;
    let answer = answer(&question, &cluster, &Compiled::new(cluster.clone()))?;
    Ok((question, answer))
}

fn ask(from: &str, to: &str, port: &str) -> Result<(Question, Answer), Problem> {
    ask_in(None, from, to, port)
}

/// The full name that a destination turns out to have.
fn full(name: &str) -> String {
    ask("traefik", name, "80").unwrap_or_else(|problem| panic!("{name}: {}", problem.message)).0.to.full
}

fn problem(from: &str, to: &str, port: &str) -> String {
    let problem = ask(from, to, port).unwrap_err();
    format!("{}: {}", problem.message, problem.help.unwrap_or_default())
}

#[test]
fn names_in_all_their_forms() {
    for (name, expected) in [
        ("shop/web", "shop/web"),
        ("shop/deployment/web", "shop/web"),
        ("shop/deploy/web", "shop/web"),
        ("twins/sts/web", "twins/statefulset/web"),
        ("statefulset/db", "data/db"),
        ("db", "data/db"),
        ("traefik", "kube-system/edge-7d4f"),
        ("kube-system/edge-7d4f", "kube-system/edge-7d4f"),
        ("10.244.0.7", "kube-system/edge-7d4f"),
        ("front", "svc:shop/front"),
        ("svc:front", "svc:shop/front"),
        ("svc/front", "svc:shop/front"),
        ("shop/front", "svc:shop/front"),
        ("10.96.0.5", "svc:shop/front"),
        ("front.shop", "svc:shop/front"),
        ("front.shop.svc", "svc:shop/front"),
        ("front.shop.svc.cluster.local.", "svc:shop/front"),
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9/32", "203.0.113.9"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("API.example.com", "api.example.com"),
        ("Internet", "internet"),
    ] {
        assert_eq!(full(name), expected, "{name}");
    }
    assert_eq!(ask("traefik", "db-1.db.data.svc", "5432").unwrap().0.to.full, "data/db");
}

#[test]
fn what_a_name_was_taken_for_is_said() {
    let (_, answer) = ask("traefik", "front", "80").unwrap();
    assert_eq!(
        answer.notes,
        [
            "`traefik` is taken as `kube-system/edge-7d4f`, whose pods have the label `app.kubernetes.io/name=traefik`",
            "`front` is taken as `svc:shop/front`: only a Service is called so",
        ]
    );
}

#[test]
fn names_that_stand_for_nothing_or_too_much() {
    assert_eq!(
        problem("traefik", "web", "80"),
        "`web` is ambiguous: it could be `shop/web`, `twins/deployment/web` or `twins/statefulset/web`: write one of them, or name a namespace with `-n`"
    );
    assert_eq!(ask_in(Some("shop"), "traefik", "web", "80").unwrap().0.to.full, "shop/web");
    assert!(
        problem("traefik", "twins/web", "80").contains("`twins/deployment/web` or `twins/statefulset/web`")
    );
    assert!(problem("traefik", "shop/wbe", "80").contains("did you mean `shop/web`"));
    assert!(problem("traefik", "svc:shop/frnt", "80").contains("did you mean `svc:shop/front`"));
    assert!(problem("traefik", "frnt.shop.svc", "80").contains("no Service is called `shop/frnt`"));
    assert!(problem("svc:front", "db", "80").ends_with("name the workload behind it: `shop/web`"));
    assert!(problem("traefik", "shop/old", "80").contains("is finished"));
    assert!(problem("", "db", "80").starts_with("a name is missing"));
    assert!(problem("traefik", "a/b/c/d", "80").contains("is not a name"));
    assert!(
        problem("traefik", "shop/gadget/web", "80").contains("`gadget` in `shop/gadget/web` is not a kind")
    );
    assert!(problem("traefik", "10.96.0.0/31", "99999").contains("is not a port"));
    // The address of a finished pod is nobody's.
    assert_eq!(full("10.244.0.8"), "10.244.0.8");
}

#[test]
fn services_lead_to_pods_and_their_ports() {
    let (_, answer) = ask("traefik", "svc:shop/front", "80").unwrap();
    assert_eq!(answer.summary, Summary::Allow);
    assert_eq!(answer.parts[0].ports[0].1.to_string(), "8080");
    let refused = |to: &str, port: &str| match &ask("traefik", to, port).unwrap().1.parts[0].ruling {
        Ruling::Refused(refusal) => refusal.describe(),
        Ruling::Judged { verdict, .. } => panic!("{to} is judged: {:?}", verdict.outcome),
    };
    assert_eq!(refused("svc:front", "8080"), "the Service `shop/front` has no such port (it has 80/TCP)");
    assert_eq!(refused("svc:front", "80/UDP"), "the Service `shop/front` has no such port (it has 80/TCP)");
    assert!(refused("svc:empty", "80").contains("has no endpoints"));
    // Headless: the port as given, whatever the Service lists.
    let (_, answer) = ask("traefik", "svc:data/db", "9999").unwrap();
    assert_eq!((answer.summary, answer.parts[0].ports[0].1.to_string()), (Summary::Allow, "9999".to_owned()));
    // Aliases: of an outside name, and of a Service.
    let (_, answer) = ask("traefik", "svc:pay", "443").unwrap();
    assert_eq!(answer.parts[0].to.describe(&cluster()), "api.pay.example.com");
    let (_, answer) = ask("traefik", "svc:alias", "80").unwrap();
    assert_eq!(answer.parts[0].ports[0].1.to_string(), "8080");
}

#[test]
fn ports_by_name_range_and_not_at_all() {
    let (_, answer) = ask("traefik", "shop/web", "http").unwrap();
    assert_eq!((answer.summary, answer.parts[0].ports[0].1.to_string()), (Summary::Allow, "8080".to_owned()));
    assert_eq!(ask("traefik", "shop/web", "admin").unwrap().1.summary, Summary::Deny);
    assert!(problem("traefik", "shop/web", "htp").ends_with("its named ports are `admin` or `http`"));
    assert!(problem("traefik", "internet", "http").contains("is a port's name"));
    assert_eq!(ask("traefik", "svc:front", "web").unwrap().1.summary, Summary::Allow);
    assert!(problem("traefik", "svc:front", "wbe").contains("has no port called `wbe`"));
    let (_, answer) = ask("traefik", "shop/web", "8000-8100").unwrap();
    assert_eq!(answer.summary, Summary::Mixed);
    let allowed = answer.parts.iter().find(|part| part.ruling.outcome().as_str() == "allow").unwrap();
    assert_eq!(allowed.ports[0].1.to_string(), "8080");
    let (_, answer) = ask("traefik", "shop/web", "").unwrap();
    assert_eq!((answer.summary, answer.parts.len()), (Summary::Mixed, 2));
}

#[test]
fn a_workload_to_itself_is_replica_to_replica() {
    let (_, answer) = ask("shop/web", "shop/web", "9000").unwrap();
    assert_eq!(answer.summary, Summary::Deny, "a replica alone would reach itself");
    let (_, answer) = ask("kube-system/edge-7d4f", "kube-system/edge-7d4f", "80").unwrap();
    assert_eq!(answer.summary, Summary::Allow, "there is only one");
}
