//! Workloads that are told to talk to a Service and cannot.

use ringfence_model::{flow::Flow, verdict::Direction, workload::WorkloadId};

use super::{
    missing::{Missing, port},
    passage::{Budget, Cut, blame, denied, listed, workload_name, workloads},
    references::{Reference, Services, references},
    sides::told_by_a_side,
    targets::at,
};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF313",
    name: "dependency-cut",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a workload cannot reach a Service that its own environment or arguments name",
    what: "Reports workloads (Jobs and CronJobs among them) whose environment or arguments name a Service of the \
           input, as a URL, as `host:port`, or as a pair such as `DB_HOST` and `DB_PORT`, while every connection \
           from their pods to all of the Service's pods is denied. ConfigMaps of the input are looked up. Silent \
           about values that come from Secrets, about names that are not Services of the input, about variables \
           whose names say that the address is for others (`ADVERTISED`, `CORS`, `PUBLIC` and the like), and where a \
           rule of one side already shows the same gap. It is a warning if the value is a list of several Services, \
           which may be things to try.",
    why: "The manifest itself says that the connection is needed. A Job fails at night; a server starts and reports \
           a timeout with its first request.",
    bad: Example::new(
        "
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec:
      template:
        metadata:
          labels: {app: report}
        spec:
          restartPolicy: Never
          containers:
            - name: report
              image: registry.example.com/report:1
              env:
                - name: DATABASE_URL
                  value: postgres://report@postgres:5432/shop
---
apiVersion: v1
kind: Service
metadata:
  name: postgres
  namespace: shop
spec:
  selector: {app: postgres}
  ports: [{port: 5432}]
---
apiVersion: v1
kind: Pod
metadata:
  name: postgres
  namespace: shop
  labels: {app: postgres}
spec:
  containers:
    - name: postgres
      image: registry.example.com/postgres:1
      ports: [{containerPort: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: postgres
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: postgres}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: api}
      ports:
        - port: 5432
",
    ),
    good: Example::new(
        "
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec:
      template:
        metadata:
          labels: {app: report}
        spec:
          restartPolicy: Never
          containers:
            - name: report
              image: registry.example.com/report:1
              env:
                - name: DATABASE_URL
                  value: postgres://report@postgres:5432/shop
---
apiVersion: v1
kind: Service
metadata:
  name: postgres
  namespace: shop
spec:
  selector: {app: postgres}
  ports: [{port: 5432}]
---
apiVersion: v1
kind: Pod
metadata:
  name: postgres
  namespace: shop
  labels: {app: postgres}
spec:
  containers:
    - name: postgres
      image: registry.example.com/postgres:1
      ports: [{containerPort: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: postgres
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: postgres}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: api}
        - podSelector:
            matchLabels: {app: report}
      ports:
        - port: 5432
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cluster = context.cluster;
    let services = Services::new(cluster);
    let budget = Budget::new();
    for (id, workload) in (0..).map(WorkloadId).zip(&cluster.workloads) {
        let Some(pod) = workload.pods.first().and_then(|id| cluster.pod(*id)) else { continue };
        for reference in references(context, &services, pod) {
            let Some(targets) = at(cluster, reference.service, reference.port) else { continue };
            let ends = workloads(cluster, targets.pods.iter().map(|(id, _)| *id));
            if ends == [id] {
                continue;
            }
            let Some(flow) = denied(context, &workload.pods, &targets.pods, targets.protocol) else {
                continue;
            };
            if told_by_a_side(context, &flow).is_none() {
                report(context, id, &ends, &reference, flow, &budget, findings);
            }
        }
    }
}

fn report(
    context: &Context<'_>,
    from: WorkloadId,
    to: &[WorkloadId],
    reference: &Reference<'_>,
    flow: Flow,
    budget: &Budget,
    findings: &mut Findings,
) {
    let cluster = context.cluster;
    let name = workload_name(cluster, from);
    let service = format!("{}/{}", reference.service.namespace, reference.service.name);
    let ends: Vec<String> = to.iter().map(|id| workload_name(cluster, *id)).collect();
    let finding = findings.report(
        reference.origin,
        format!("`{name}` cannot reach the Service `{service}` that `{}` names", reference.said_by),
    );
    if reference.among_others {
        finding.severity(Severity::Warning);
    }
    let (protocol, number) = (flow.protocol, flow.port);
    let which = if number == reference.port {
        format!("port {number} of {} is denied", listed(&ends))
    } else {
        format!("port {} leads to {number} of {}, which is denied", reference.port, listed(&ends))
    };
    finding.label(which);
    let otherwise = format!("let `{name}` out to port {number} of {}, and in there", listed(&ends));
    if !budget.take() {
        finding.help(otherwise);
        return;
    }
    let cut = &Cut::of(context.compiled, flow);
    blame(context, finding, cut, Direction::Egress, &name);
    blame(context, finding, cut, Direction::Ingress, ends.first().map_or("", String::as_str));
    let ports = [port(protocol, number)];
    let missing = Missing::between(context, &[from], to, &ports, &[cut]);
    missing.advise(context, &format!("`{name}` reach `{service}`"), &otherwise, finding);
}
