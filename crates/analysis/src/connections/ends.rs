//! Which ends a filter selects. In: what people write for `--from` and `--to`. Out: units, and addresses outside.

use std::net::IpAddr;

use ringfence_model::{IpNet, Text, address::IpSet, cluster::Cluster};

use super::{Map, Unit};

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndFilter {
    /// Workloads and pods by name; `*` stands for any run of characters. Without a namespace: in every one.
    Name {
        /// The namespace's pattern, if there is one.
        namespace: Option<Text>,
        /// The name's pattern.
        name: Text,
    },
    /// Everything outside.
    Outside,
    /// The public addresses outside.
    Internet,
    /// Addresses: outside, and the pods that have them.
    Addresses(IpSet),
}

impl EndFilter {
    /// Reads what people write: `namespace/name`, `name`, `shop/*`, an address, a CIDR, `external`, `internet`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "external" | "outside" => return Self::Outside,
            "internet" => return Self::Internet,
            _ => {}
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Self::Addresses(IpSet::single(address));
        }
        if let Ok(net) = text.parse::<IpNet>() {
            return Self::Addresses(IpSet::from_nets([&net]));
        }
        match text.split_once('/') {
            Some((namespace, name)) => Self::Name { namespace: Some(namespace.into()), name: name.into() },
            None => Self::Name { namespace: None, name: text.into() },
        }
    }

    fn selects(&self, unit: &Unit, cluster: &Cluster) -> bool {
        match self {
            Self::Name { namespace, name } => {
                let fits = |in_namespace: &str, called: &str| {
                    namespace.as_deref().is_none_or(|pattern| fits(pattern, in_namespace))
                        && fits(name, called)
                };
                let workload = cluster.workload(unit.workload);
                workload.is_some_and(|workload| fits(&workload.namespace, &workload.name))
                    || unit
                        .pods
                        .iter()
                        .any(|pod| cluster.pod(*pod).is_some_and(|pod| fits(&pod.namespace, &pod.name)))
            }
            Self::Outside | Self::Internet => false,
            Self::Addresses(set) => unit.pods.iter().any(|pod| {
                cluster
                    .pod(*pod)
                    .is_some_and(|pod| pod.addresses.iter().any(|address| set.contains(*address)))
            }),
        }
    }

    fn outside(&self, cluster: &Cluster) -> IpSet {
        match self {
            Self::Name { .. } => IpSet::empty(),
            Self::Outside => IpSet::all(),
            Self::Internet => cluster
                .families()
                .into_iter()
                .fold(IpSet::empty(), |set, family| set.union(&cluster.internet(family))),
            Self::Addresses(set) => set.clone(),
        }
    }
}

/// The ends that some filters select together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    units: Option<Vec<bool>>,
    outside: IpSet,
}

impl Ends {
    /// Every end.
    #[must_use]
    pub fn all() -> Self {
        Self { units: None, outside: IpSet::all() }
    }

    /// The ends that any of the filters selects; every end if there is none.
    ///
    /// # Errors
    /// The position of the first filter that selects nothing at all.
    pub fn selected(filters: &[EndFilter], map: &Map<'_>) -> Result<Self, usize> {
        if filters.is_empty() {
            return Ok(Self::all());
        }
        let cluster = map.cluster();
        let mut units = vec![false; map.units().len()];
        let mut outside = IpSet::empty();
        for (at, filter) in filters.iter().enumerate() {
            let mut any = false;
            for (unit, selected) in map.units().iter().zip(&mut units) {
                if filter.selects(unit, cluster) {
                    *selected = true;
                    any = true;
                }
            }
            let addresses = filter.outside(cluster);
            if !any && addresses.is_empty() {
                return Err(at);
            }
            outside = outside.union(&addresses);
        }
        Ok(Self { units: Some(units), outside })
    }

    /// Whether the unit with this position is among them.
    #[must_use]
    pub fn has(&self, unit: usize) -> bool {
        self.units.as_ref().is_none_or(|units| units.get(unit).copied().unwrap_or(false))
    }

    /// The addresses outside that are among them.
    #[must_use]
    pub fn outside(&self) -> &IpSet {
        &self.outside
    }
}

/// Whether a text fits a pattern in which `*` stands for any run of characters.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.find(middle).and_then(|at| rest.get(at + middle.len()..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
    }
    match last {
        Some(end) => rest.ends_with(end),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "webs", false),
            ("*", "", true),
            ("w*", "web", true),
            ("*b", "web", true),
            ("w*b", "wb", true),
            ("wb*b", "wb", false),
            ("a*b*c", "a-bb-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn addresses_are_no_names() {
        assert!(matches!(EndFilter::parse("10.0.0.0/8"), EndFilter::Addresses(_)));
        assert!(matches!(EndFilter::parse("2001:db8::1"), EndFilter::Addresses(_)));
        assert!(matches!(EndFilter::parse("shop/10"), EndFilter::Name { namespace: Some(_), .. }));
        assert_eq!(EndFilter::parse("external"), EndFilter::Outside);
    }
}
