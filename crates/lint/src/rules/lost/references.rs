//! Services that containers are told to talk to. In: a pod's environment and arguments. Out: the Services and ports that these
//! name.

use std::collections::BTreeMap;

use ringfence_model::{
    Text,
    cluster::Cluster,
    details::{Container, EnvVar},
    origin::Origin,
    service::{Service, ServiceType},
    workload::Pod,
};

use crate::context::Context;

/// Longer values are no addresses.
const LONGEST: usize = 2000;

/// Schemes of URLs with their ports.
const SCHEMES: [(&str, u16); 22] = [
    ("amqp", 5672),
    ("amqps", 5671),
    ("elasticsearch", 9200),
    ("http", 80),
    ("https", 443),
    ("kafka", 9092),
    ("ldap", 389),
    ("ldaps", 636),
    ("mariadb", 3306),
    ("memcached", 11211),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("mysql", 3306),
    ("nats", 4222),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("redis", 6379),
    ("rediss", 6379),
    ("smtp", 25),
    ("ws", 80),
    ("wss", 443),
    ("zookeeper", 2181),
];

/// Parts of the names of variables and arguments whose addresses are for others to use.
const FOR_OTHERS: [&str; 14] = [
    "advertise",
    "allowed",
    "callback",
    "cors",
    "external",
    "issuer",
    "listen",
    "no_proxy",
    "no-proxy",
    "noproxy",
    "origin",
    "public",
    "redirect",
    "trusted",
];

/// The same of URLs outside: those of the application itself, and links.
const OWN_OR_LINKS: [&str; 12] = [
    "app_url", "base_url", "docs", "domain", "frontend", "help", "home", "link", "root_url", "self", "site",
    "web_url",
];

/// Endings of the names of variables that hold a host's name alone, with what stands there in that of its port.
const HOSTS: [(&str, &str); 6] = [
    ("HOST", "PORT"),
    ("HOSTNAME", "PORT"),
    ("SERVER", "PORT"),
    ("ADDR", "PORT"),
    ("ADDRESS", "PORT"),
    ("PGHOST", "PGPORT"),
];

/// Arguments before a host's name alone.
const HOST_FLAGS: [&str; 6] = ["-h", "-H", "--host", "-host", "--hostname", "--server"];

/// Ends of names that nobody outside resolves.
const INSIDE: [&str; 9] =
    ["cluster", "consul", "internal", "intranet", "lan", "local", "localdomain", "localhost", "svc"];

/// A Service that a container is told of.
pub(super) struct Reference<'c> {
    /// The Service.
    pub(super) service: &'c Service,
    /// Its port.
    pub(super) port: u16,
    /// The variable's name, or the argument's.
    pub(super) said_by: String,
    /// Where it is written.
    pub(super) origin: Origin,
    /// Whether the value is a list that names other Services too: things to try, maybe, and not all needed.
    pub(super) among_others: bool,
}

/// The Services of a cluster by their names.
pub(super) struct Services<'c>(BTreeMap<(&'c str, &'c str), &'c Service>);

impl<'c> Services<'c> {
    pub(super) fn new(cluster: &'c Cluster) -> Self {
        let named = cluster.services.iter().map(|service| ((&*service.namespace, &*service.name), service));
        Self(named.collect())
    }

    /// A Service by its name.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&'c Service> {
        self.0.get(&(namespace, name)).copied()
    }

    /// The Service that a host name stands for in a namespace.
    fn host(&self, namespace: &str, host: &str) -> Option<&'c Service> {
        let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
        let found = match labels.as_slice() {
            [name] => self.get(namespace, name),
            [name, of] | [name, of, "svc"] | [name, of, "svc", "cluster", "local"] => self.get(of, name),
            [_, name, of, "svc"] | [_, name, of, "svc", "cluster", "local"] => self.get(of, name),
            _ => None,
        };
        found.filter(|service| !matches!(service.kind, ServiceType::ExternalName(_)))
    }
}

/// The Services that a pod's containers are told of, each port once.
pub(super) fn references<'c>(
    context: &Context<'_>,
    services: &Services<'c>,
    pod: &Pod,
) -> Vec<Reference<'c>> {
    let mut found: Vec<Reference<'c>> = Vec::new();
    let containers = pod.details.iter().flat_map(|details| &details.containers);
    for container in containers {
        for variable in &container.env {
            of_variable(services, &pod.namespace, container, variable, &mut found);
        }
        for (at, argument) in container.arguments.iter().enumerate() {
            of_argument(context, services, &pod.namespace, container, (at, argument), &mut found);
        }
    }
    found
}

fn add<'c>(found: &mut Vec<Reference<'c>>, reference: Reference<'c>) {
    let is = |known: &Reference<'_>| {
        std::ptr::eq(known.service, reference.service) && known.port == reference.port
    };
    if !found.iter().any(is) {
        found.push(reference);
    }
}

fn is_for_others(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    FOR_OTHERS.iter().any(|part| name.contains(part))
}

fn of_variable<'c>(
    services: &Services<'c>,
    namespace: &str,
    container: &Container,
    variable: &EnvVar,
    found: &mut Vec<Reference<'c>>,
) {
    let Some(value) = variable.value.as_deref().filter(|value| value.len() <= LONGEST) else { return };
    if is_for_others(&variable.name) {
        return;
    }
    let named = addresses(value);
    let among_others = several(services, namespace, &named);
    let reference = |service, port| Reference {
        service,
        port,
        said_by: variable.name.to_string(),
        origin: variable.origin,
        among_others,
    };
    for (host, port) in &named {
        if let Some(service) = services.host(namespace, host) {
            add(found, reference(service, *port));
        }
    }
    let name = variable.name.to_ascii_uppercase();
    let ending = HOSTS.iter().find(|(ending, _)| name == *ending || name.ends_with(&format!("_{ending}")));
    let Some((ending, port_ending)) = ending.filter(|_| named.is_empty()) else { return };
    let Some(service) = services.host(namespace, value.trim()) else { return };
    let prefix = name.strip_suffix(ending).unwrap_or_default();
    let port_name = format!("{prefix}{port_ending}");
    let stated = (container.env.iter())
        .find(|other| other.name.eq_ignore_ascii_case(&port_name))
        .and_then(|other| other.value.as_deref())
        .and_then(|text| text.trim().parse::<u16>().ok());
    let only = match service.ports.as_slice() {
        [one] => Some(one.port),
        _ => None,
    };
    if let Some(port) = stated.or(only) {
        add(found, reference(service, port));
    }
}

fn of_argument<'c>(
    context: &Context<'_>,
    services: &Services<'c>,
    namespace: &str,
    container: &Container,
    (at, argument): (usize, &Text),
    found: &mut Vec<Reference<'c>>,
) {
    let name = argument.split_once('=').map_or(&**argument, |(name, _)| name);
    // `--flag value`: the flag is the argument before.
    let before =
        at.checked_sub(1).and_then(|at| container.arguments.get(at)).filter(|before| before.starts_with('-'));
    if argument.len() > LONGEST || is_for_others(name) || before.is_some_and(|before| is_for_others(before)) {
        return;
    }
    let mut named = addresses(argument);
    let among_others = several(services, namespace, &named);
    // `nc -z db 5432`, and `pg_dump -h db`.
    let next = container.arguments.get(at + 1).map(|next| &**next);
    let words: Vec<&str> = argument.split_whitespace().chain(next).collect();
    named.extend(words.windows(2).filter_map(|pair| {
        let [host, port] = pair else { return None };
        let port = port.trim_end_matches([';', ')', '"', '\'']).parse::<u16>().ok()?;
        let service = services.host(namespace, host)?;
        service.ports.iter().any(|own| own.port == port).then_some((*host, port))
    }));
    let words: Vec<&str> =
        before.map(|before| &**before).into_iter().chain(argument.split_whitespace()).collect();
    named.extend(words.windows(2).filter_map(|pair| {
        let [flag, host] = pair else { return None };
        let service = HOST_FLAGS.contains(flag).then(|| services.host(namespace, host))??;
        let [only] = service.ports.as_slice() else { return None };
        Some((*host, only.port))
    }));
    for (host, port) in named {
        let Some(service) = services.host(namespace, host) else { continue };
        let said_by = match before {
            Some(before) if !argument.starts_with('-') => before.to_string(),
            _ if argument.contains(char::is_whitespace) => "a command".to_owned(),
            _ => name.to_owned(),
        };
        add(found, Reference { service, port, said_by, origin: place(context, container, at), among_others });
    }
}

/// A host outside the cluster that a container is told of.
pub(super) struct Outside<'c> {
    /// Its name.
    pub(super) host: &'c str,
    /// The port.
    pub(super) port: u16,
    /// The variable's name.
    pub(super) said_by: &'c Text,
    /// Where it is written.
    pub(super) origin: Origin,
}

/// The hosts outside the cluster that a pod's environment names in URLs, each port once.
pub(super) fn outside<'c>(services: &Services<'_>, pod: &'c Pod) -> Vec<Outside<'c>> {
    let containers = pod.details.iter().flat_map(|details| &details.containers);
    let mut found: Vec<Outside<'c>> = Vec::new();
    for variable in containers.flat_map(|container| &container.env) {
        let Some(value) = variable.value.as_deref().filter(|value| value.len() <= LONGEST) else { continue };
        let [(host, port)] = addresses(value)[..] else { continue };
        let is_url = value.trim_start().split_once("://").is_some_and(|(_, rest)| rest.contains(host));
        let known = found.iter().any(|other| other.host == host && other.port == port);
        if is_url
            && !known
            && !is_for_others(&variable.name)
            && !OWN_OR_LINKS.iter().any(|part| variable.name.to_ascii_lowercase().contains(part))
            && is_outside(host)
            && services.host(&pod.namespace, host).is_none()
        {
            found.push(Outside { host, port, said_by: &variable.name, origin: variable.origin });
        }
    }
    found
}

/// Whether a host's name is one that resolvers outside know.
fn is_outside(host: &str) -> bool {
    let mut labels = host.trim_end_matches('.').rsplit('.');
    let last = labels.next().unwrap_or_default();
    labels.next().is_some()
        && last.len() > 1
        && last.chars().all(|c| c.is_ascii_alphabetic())
        && !host.split('.').any(|label| INSIDE.contains(&label))
}

/// Whether addresses are of more than one Service.
fn several(services: &Services<'_>, namespace: &str, addresses: &[(&str, u16)]) -> bool {
    let mut named = addresses.iter().filter_map(|(host, _)| services.host(namespace, host));
    named.next().is_some_and(|first| named.any(|other| !std::ptr::eq(first, other)))
}

/// Where an argument is written: `command` comes before `args`.
fn place(context: &Context<'_>, container: &Container, at: usize) -> Origin {
    let value = |key: &str, at: usize| context.places.value(container.origin, &[key.into(), at.into()]);
    let commands = (0..=at).take_while(|at| value("command", *at).is_some()).count();
    let found = if at < commands { value("command", at) } else { value("args", at - commands) };
    found.unwrap_or(container.origin)
}

/// The hosts and ports in a text: URLs, and `host:port`.
fn addresses(text: &str) -> Vec<(&str, u16)> {
    let mut found = Vec::new();
    let separates = |c: char| {
        c.is_whitespace()
            || matches!(c, ',' | ';' | '"' | '\'' | '=' | '(' | ')' | '|' | '<' | '>' | '`' | '\\')
    };
    let mut default = None;
    for token in text.split(separates) {
        let (scheme, rest) = match token.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, token),
        };
        if token.is_empty() || token.contains('$') || token.contains('{') {
            continue;
        }
        if let Some(scheme) = scheme {
            let last = scheme.rsplit([':', '+']).next().unwrap_or(scheme);
            let known = SCHEMES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(last) || scheme.eq_ignore_ascii_case(name));
            default = known.map(|(_, port)| *port);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match host_port.split_once(':') {
            Some((host, port)) => (host, port.parse::<u16>().ok()),
            // The hosts after the first of a list have its scheme, but `a,b` need not be hosts.
            None => (host_port, default.filter(|_| scheme.is_some())),
        };
        let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
            && host.chars().any(|c| c.is_ascii_alphabetic());
        if let Some(port) = port.filter(|port| is_name && *port > 0) {
            found.push((host, port));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn urls_and_pairs_are_addresses() {
        let cases: [(&str, &[(&str, u16)]); 10] = [
            ("http://api.shop.svc:8080/v1?x=y", &[("api.shop.svc", 8080)]),
            ("postgres://user:pa:ss@postgres:5432/db", &[("postgres", 5432)]),
            ("jdbc:postgresql://db/app", &[("db", 5432)]),
            ("redis://cache", &[("cache", 6379)]),
            ("kafka-0.kafka:9092,kafka-1.kafka:9092", &[("kafka-0.kafka", 9092), ("kafka-1.kafka", 9092)]),
            ("--redis=argocd-redis:6379", &[("argocd-redis", 6379)]),
            ("until nc -z db:5432; do sleep 1; done", &[("db", 5432)]),
            ("http://$(API):80", &[]),
            ("10.0.0.1:80 [::1]:80 12:34 a:b web", &[]),
            ("https://example.com", &[("example.com", 443)]),
        ];
        for (text, expected) in cases {
            assert_eq!(addresses(text), expected, "{text}");
        }
    }
}
