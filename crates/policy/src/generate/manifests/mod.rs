//! Clusters as manifests. In: a cluster. Out: the YAML from which the decoders make the same cluster, and a failing
//! case as a file of the corpus.
//!
//! The pod and Service networks that a user states and the CNI profile have no manifest: they become comments.

mod cilium;
mod objects;
mod policies;

use ringfence_model::{
    Text,
    cluster::Cluster,
    flow::{Endpoint, Flow, Request},
    label::{Labels, Operator, Selector},
    network_policy::PolicyMeta,
    profile::Profile,
    verdict::Outcome,
};

use super::yaml::Yaml;

/// All objects of the cluster, one document each.
#[must_use]
pub fn manifests(cluster: &Cluster) -> String {
    let documents: Vec<String> = objects::all(cluster)
        .into_iter()
        .chain(policies::all(cluster))
        .chain(cilium::all(cluster))
        .map(|document| document.document())
        .collect();
    let mut text = documents.join("---\n");
    let notes = [("pod network", &cluster.pod_cidrs), ("Service network", &cluster.service_cidrs)];
    for (what, networks) in notes {
        for network in networks {
            text.push_str(&format!("# {what}: {network}\n"));
        }
    }
    if cluster.profile != Profile::UPSTREAM {
        text.push_str(&format!("# profile: {}\n", cluster.profile.name));
    }
    text
}

/// A case as a file of the corpus: a title, what it shows, the manifests and one row. `expected` is what the row says.
#[must_use]
pub fn case(title: &str, shows: &str, cluster: &Cluster, flow: &Flow, expected: Outcome) -> String {
    // The type of an ICMP message stands where a port would.
    let port = format!("{}/{}", flow.port, flow.protocol);
    let (from, to) = (end(cluster, &flow.from), end(cluster, &flow.to));
    let expected = if expected == Outcome::AllowIf { Outcome::Allow } else { expected }.as_str();
    let (head, request) = match &flow.request {
        None => ("| Source | Destination | Port | Expected |\n|---|---|---|---|\n", String::new()),
        Some(request) => (
            "| Source | Destination | Port | Expected | Request |\n|---|---|---|---|---|\n",
            format!(" {} |", describe(request)),
        ),
    };
    let manifests = manifests(cluster);
    format!(
        "# {title}\n\n{shows}\n\n## {title}, {}\n\n```yaml\n{manifests}```\n\n{head}| {from} | {to} | {port} | {expected} |{request}\n",
        flow.family.as_str(),
    )
}

fn end(cluster: &Cluster, end: &Endpoint) -> String {
    match end {
        Endpoint::Pod(id) => cluster
            .pod(*id)
            .map_or_else(|| "nowhere/none".to_owned(), |pod| format!("{}/{}", pod.namespace, pod.name)),
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Name(name) => name.to_string(),
    }
}

fn describe(request: &Request) -> String {
    match request {
        Request::Http { method, path, host, headers } => {
            let host = host.as_deref().unwrap_or_default();
            let headers: String = headers.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
            format!("{method} {host}{path}{headers}")
        }
        Request::Dns(name) => format!("DNS {name}"),
    }
}

/// `apiVersion`, `kind` and `metadata` of an object.
fn object(version: &str, kind: &str, namespace: Option<&Text>, name: &Text, labels: &Labels) -> Yaml {
    Yaml::one("apiVersion", version).with("kind", kind).with("metadata", metadata(namespace, name, labels))
}

fn metadata(namespace: Option<&Text>, name: &Text, labels: &Labels) -> Yaml {
    Yaml::Map(Vec::new())
        .with_some("namespace", namespace)
        .with("name", name)
        .with_any("labels", label_map(labels))
}

/// The same of a policy, which has annotations too.
fn policy(version: &str, meta: &PolicyMeta) -> Yaml {
    let metadata = metadata(meta.namespace.as_ref(), &meta.name, &meta.labels)
        .with_any("annotations", label_map(&meta.annotations));
    Yaml::one("apiVersion", version).with("kind", meta.kind.as_str()).with("metadata", metadata)
}

fn label_map(labels: &Labels) -> Yaml {
    Yaml::map(labels.iter().map(|(key, value)| (key.to_string(), value.into())))
}

/// A selector. Its leading requirements with one value each become `matchLabels`.
fn selector(selector: &Selector) -> Yaml {
    let mut labels: Vec<(String, Yaml)> = Vec::new();
    let mut rest = selector.requirements.as_slice();
    while let Some((first, others)) = rest.split_first()
        && first.operator == Operator::In
        && let [value] = first.values.as_slice()
        && labels.last().is_none_or(|(key, _)| **key < *first.key)
    {
        labels.push((first.key.to_string(), value.into()));
        rest = others;
    }
    let expressions = Yaml::list(rest, |one| {
        Yaml::one("key", &one.key)
            .with("operator", one.operator.as_str())
            .with_any("values", Yaml::list(&one.values, Yaml::from))
    });
    Yaml::Map(Vec::new()).with_any("matchLabels", Yaml::Map(labels)).with_any("matchExpressions", expressions)
}
