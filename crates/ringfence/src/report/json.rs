//! The parts that the JSON formats share. In: permits, conditions, ends. Out: JSON text, version 1.

use ringfence_analysis::connections::{By, Unit};
use ringfence_model::{
    address::IpSet,
    cilium::L7Match,
    cluster::Cluster,
    port::{PortSet, Protocol},
    verdict::Condition,
};
use ringfence_policy::permit::{Conditional, Permit};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::words::fqdn;

/// Ports of one protocol, and the conditions for them.
#[derive(Serialize)]
pub(crate) struct Entry<'a> {
    protocol: &'static str,
    ports: Vec<String>,
    /// Alternatives: one of them must hold.
    #[serde(rename = "if", skip_serializing_if = "Vec::is_empty")]
    condition: Vec<ConditionJson<'a>>,
    /// If both sides set conditions: one of these must hold too.
    #[serde(rename = "andIf", skip_serializing_if = "Vec::is_empty")]
    and_condition: Vec<ConditionJson<'a>>,
}

/// A condition as `{"http":{...}}`, `{"dns":"name"}`, `{"fqdn":"name"}` or `{"other":"protocol"}`.
pub(crate) struct ConditionJson<'a>(&'a Condition);

#[derive(Serialize)]
struct Http<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header<'a>>,
}

#[derive(Serialize)]
struct Header<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

impl Serialize for ConditionJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self.0 {
            Condition::L7(L7Match::Http(http)) => {
                let headers = http.headers.iter();
                let headers = headers.map(|(name, value)| Header { name, value: value.as_deref() }).collect();
                let http = Http {
                    method: http.method.as_deref(),
                    path: http.path.as_deref(),
                    host: http.host.as_deref(),
                    headers,
                };
                map.serialize_entry("http", &http)?;
            }
            Condition::L7(L7Match::Dns(name)) => map.serialize_entry("dns", fqdn(name))?,
            Condition::L7(L7Match::Other(protocol)) => map.serialize_entry("other", &**protocol)?,
            Condition::ResolvedFrom(name) => map.serialize_entry("fqdn", fqdn(name))?,
        }
        map.end()
    }
}

/// What is allowed, the conditional entries after the others.
pub(crate) fn allowed(permit: &Permit) -> Vec<Entry<'_>> {
    let conditional = permit.conditional.iter().map(|entry| {
        let Conditional { protocol, ports, egress, ingress } = entry;
        let (first, second) = if egress.is_empty() { (ingress, egress) } else { (egress, ingress) };
        Entry {
            protocol: protocol.as_str(),
            ports: ranges(ports),
            condition: first.iter().map(ConditionJson).collect(),
            and_condition: second.iter().map(ConditionJson).collect(),
        }
    });
    plain(&permit.allowed).into_iter().chain(conditional).collect()
}

/// Ports without conditions.
pub(crate) fn plain(list: &[(Protocol, PortSet)]) -> Vec<Entry<'static>> {
    let entry = |(protocol, ports): &(Protocol, PortSet)| Entry {
        protocol: protocol.as_str(),
        ports: ranges(ports),
        condition: Vec::new(),
        and_condition: Vec::new(),
    };
    list.iter().map(entry).collect()
}

fn ranges(ports: &PortSet) -> Vec<String> {
    let range = |(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ports.ranges().iter().map(range).collect()
}

/// One end of a connection.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum End {
    /// Inside the cluster.
    Inside {
        /// The pod, in reports by pod.
        #[serde(skip_serializing_if = "Option::is_none")]
        pod: Option<String>,
        /// `namespace/name`.
        workload: String,
        /// The workload's kind.
        kind: String,
    },
    /// Outside.
    Outside {
        /// `first-last`, IPv4 first.
        cidr: Vec<String>,
    },
}

impl End {
    /// A unit of a report.
    pub(crate) fn inside(unit: &Unit, cluster: &Cluster, by: By) -> Self {
        let (workload, kind) = workload(unit, cluster);
        Self::Inside { pod: (by == By::Pod).then(|| unit.name(cluster)), workload, kind }
    }

    /// Addresses outside.
    pub(crate) fn outside(addresses: &IpSet) -> Self {
        Self::Outside { cidr: addresses.ranges().map(|range| range.to_string()).collect() }
    }
}

/// Name and kind of a unit's workload.
pub(crate) fn workload(unit: &Unit, cluster: &Cluster) -> (String, String) {
    cluster.workload(unit.workload).map_or_else(Default::default, |workload| {
        (format!("{}/{}", workload.namespace, workload.name), workload.kind.as_str().to_owned())
    })
}

/// Appends a value to a text. Writing these values to memory cannot fail: they hold strings and lists only.
pub(crate) fn append(to: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(to, value);
}
