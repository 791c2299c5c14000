//! Repairs: the finding goes away, what they claim is true, making them again changes nothing, and the rest of the text
//! stays as it is.

use ringfence_lint::{Settings, fix, rules};

fn text(manifests: &str) -> Vec<ringfence_manifest::Input> {
    vec![ringfence_manifest::Input { name: "a.yaml".to_owned(), text: manifests.trim_start().to_owned() }]
}

/// Settings that state nothing but a rule's own, and run that rule.
fn settings(rule: &ringfence_lint::Rule) -> Settings {
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    let mut settings =
        Settings::parse("ringfence.toml", rule.bad.settings).expect("the settings of an example are valid");
    settings.extend_select.push(rule.code.to_owned());
    settings
}

#[test]
fn the_repairs_of_the_examples_hold_and_are_idempotent() {
    let mut wrong = Vec::new();
    for rule in rules::all() {
        let settings = settings(rule);
        let before = text(rule.bad.manifests);
        let planned = fix::plan(&before, &settings);
        for (finding, reason) in &planned.refused {
            if finding.rule.code == rule.code {
                wrong.push(format!("{}: the repair of its example is refused: {reason}", rule.code));
            }
        }
        let Some(changed) = planned.files.first() else { continue };
        let again = fix::plan(&text(&changed.new), &settings);
        if let Some(second) = again.files.first() {
            wrong.push(format!("{}: not idempotent:\n{}\nthen\n{}", rule.code, changed.new, second.new));
        }
        let kept = |line: &str| changed.new.lines().any(|new| new == line);
        let comments = changed.old.lines().filter(|line| line.trim_start().starts_with('#'));
        for lost in comments.filter(|line| !kept(line)) {
            wrong.push(format!("{}: the repair loses the comment `{lost}`", rule.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A web and its database, of which the web is not let out: the policy that is missing goes to the end of the text.
const ONE_SIDED: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: NAME, labels: {app: web}}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: NAME, labels: {app: db}}
spec: {containers: [{name: db, image: db, ports: [{containerPort: 5432}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: NAME}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: NAME}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 5432}]
";

#[test]
fn repairs_that_are_tried_together_do_what_they_would_do_alone() {
    let several: String = (0..9).map(|number| ONE_SIDED.replace("NAME", &format!("shop-{number}"))).collect();
    for texts in [several.clone(), several.trim_end().to_owned()] {
        let planned = fix::plan(&text(&texts), &Settings::default());
        let of_rule = |code: &str| planned.applied.iter().filter(|(rule, _)| *rule == code).count();
        assert_eq!((of_rule("RF305"), planned.refused.len()), (9, 0), "{:?}", planned.applied);
        let new = &planned.files.first().unwrap().new;
        assert!(new.starts_with(texts.trim_start()), "only added to");
        for number in 0..9 {
            let alone =
                fix::plan(&text(&ONE_SIDED.replace("NAME", &format!("shop-{number}"))), &Settings::default());
            let added = alone.files.first().unwrap();
            let added = added.new.strip_prefix(added.old.as_str()).unwrap();
            assert!(new.contains(added.trim()), "{new}\nlacks\n{added}");
        }
        assert!(!new.contains("\n\n"), "{new}");
        assert!(fix::plan(&text(new), &Settings::default()).files.is_empty(), "idempotent");
    }
}

/// A pod that nothing isolates, in a tier that denies its node; the list of the Cilium policy is empty by mistake.
const OWN_NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: one}
spec: {podCIDRs: [10.244.0.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.10}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {nodeName: one, containers: [{name: api, image: api, ports: [{containerPort: 8080}]}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: base}
spec:
  tier: Baseline
  priority: 0
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{somethingNew: {}}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: closed, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress: []
";

#[test]
fn a_repair_that_opens_the_own_node_does_not_pass_for_one_that_cuts() {
    let of_rule = |manifests: &str| {
        let planned = fix::plan(&text(manifests), &Settings::default());
        let refused = planned.refused.iter().find(|(finding, _)| finding.rule.code == "RF718");
        refused.map_or(String::new(), |(_, reason)| reason.clone())
    };
    let refused = of_rule(OWN_NODE);
    assert_eq!(refused, "it changes connections of `shop/api` with the node that it runs on");
    assert_eq!(of_rule(&OWN_NODE.replace("action: Deny", "action: Accept")), "");
}
