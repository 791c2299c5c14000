//! What the users of a cluster state about it and about the rules: `ringfence.toml` as plain values. In: nothing. Out: the
//! types.

mod toml;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use ringfence_manifest::Options;
use ringfence_model::{IpNet, profile::Profile};

use crate::rule::{Rule, Severity};

/// All settings. The default states nothing: rules with their own severities, facts as the manifests show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Rules to run, as words of [`Rule::is_named_by`](crate::Rule::is_named_by); empty means all but those that are opt-in.
    pub select: Vec<String>,
    /// Rules to run beside the selected ones: how opt-in rules are turned on.
    pub extend_select: Vec<String>,
    /// Rules not to run; a longer word wins over a shorter one.
    pub ignore: Vec<String>,
    /// Severities of rules, by the same words; a later one wins.
    pub severity: Vec<(String, Severity)>,
    /// What else is to be ignored in some files.
    pub per_path: Vec<PerPath>,
    /// Where the settings come from; nothing if the paths in them are the names of texts as they are.
    pub base: Option<Base>,
    /// The cluster.
    pub cluster: Stated,
    /// What rules about hygiene ask for.
    pub hygiene: Hygiene,
}

/// Rules that are ignored in some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerPath {
    /// A glob of paths, relative to the settings file, with forward slashes.
    pub path: String,
    /// Words that name rules.
    pub ignore: Vec<String>,
}

/// What relates the names of texts to the paths in a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The directory of the settings file, absolute.
    pub settings: PathBuf,
    /// The directory that the names of texts are relative to, absolute.
    pub working: PathBuf,
}

/// Facts about the cluster that the manifests need not show. What is stated wins over what is inferred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// The namespace of objects that name none.
    pub namespace: Option<String>,
    /// The CNI dialect, if stated.
    pub profile: Option<Profile>,
    /// Pod networks.
    pub pod_cidrs: Vec<IpNet>,
    /// Service networks.
    pub service_cidrs: Vec<IpNet>,
    /// Networks that nodes have their addresses in.
    pub node_cidrs: Vec<IpNet>,
    /// Whether pods have addresses of both families.
    pub dual_stack: Option<bool>,
    /// The resolver's pods: `namespace/workload`.
    pub dns: Vec<String>,
    /// The addresses at which node-local resolvers listen.
    pub node_local_dns: Vec<IpAddr>,
    /// The API server's endpoints.
    pub api_server: Vec<SocketAddr>,
    /// Ingress controllers and gateways: `namespace/workload`.
    pub ingress_controllers: Vec<String>,
    /// What scrapes metrics: `namespace/workload`.
    pub prometheus: Vec<String>,
    /// Addresses of instance metadata services; empty means the well-known ones.
    pub metadata_addresses: Vec<IpAddr>,
    /// Workloads that hold data or secrets, beside those that can be recognised: `namespace/workload`.
    pub sensitive: Vec<String>,
    /// Workloads that are not sensitive, whatever they look like: `namespace/workload`.
    pub not_sensitive: Vec<String>,
}

/// What rules about hygiene ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hygiene {
    /// The annotation that names the owner of a policy.
    pub owner: String,
    /// The annotation that says why there is a policy.
    pub reason: String,
    /// The annotation with the date of the last review, `YYYY-MM-DD`.
    pub last_reviewed: String,
    /// Policies must have been reviewed on this day or later, `YYYY-MM-DD`.
    pub reviewed_since: Option<String>,
    /// A regular expression that names of policies must match as a whole.
    pub name_pattern: Option<String>,
}

impl Default for Hygiene {
    fn default() -> Self {
        Self {
            owner: "owner".to_owned(),
            reason: "description".to_owned(),
            last_reviewed: "last-reviewed".to_owned(),
            reviewed_since: None,
            name_pattern: None,
        }
    }
}

impl Settings {
    /// Whether a rule is to run. The longest word that names it decides; at equal length, to ignore it wins.
    #[must_use]
    pub fn selects(&self, rule: &Rule) -> bool {
        let longest = |words: &[String]| {
            words.iter().filter(|word| rule.is_named_by(word)).map(|word| weight(word)).max()
        };
        let turned_on = |words: &[String]| {
            words.iter().filter(|word| rule.is_turned_on_by(word)).map(|word| weight(word)).max()
        };
        let by_default = (self.select.is_empty() && !rule.opt_in).then_some(0);
        let wanted = turned_on(&self.select).max(turned_on(&self.extend_select)).max(by_default);
        wanted.is_some_and(|wanted| longest(&self.ignore).is_none_or(|unwanted| wanted > unwanted))
    }

    /// The severity that is stated for a rule.
    #[must_use]
    pub fn severity_of(&self, rule: &Rule) -> Option<Severity> {
        self.severity.iter().rev().find(|(word, _)| rule.is_named_by(word)).map(|(_, severity)| *severity)
    }

    /// How manifests are to be read.
    #[must_use]
    pub fn reading(&self) -> Options {
        Options {
            namespace: self.cluster.namespace.clone(),
            pod_cidrs: self.cluster.pod_cidrs.clone(),
            service_cidrs: self.cluster.service_cidrs.clone(),
            profile: self.cluster.profile.unwrap_or_default(),
            details: true,
        }
    }
}

/// How exactly a word names a rule: a name or a whole code most, then the longer beginning of a code, `ALL` least.
fn weight(word: &str) -> usize {
    if word == "ALL" {
        1
    } else if word.starts_with("RF") {
        1 + word.len()
    } else {
        1 + "RF000".len()
    }
}

/// Whether a text is a day of the calendar, written `YYYY-MM-DD`.
pub(crate) fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |digits: usize| -> Option<u32> {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day) && parts.next().is_none()
}

/// A regular expression that matches what another matches as a whole.
pub(crate) fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        assert!(is_date("2026-01-24") && is_date("2024-02-29"));
        for wrong in
            ["2026-02-29", "2026-13-01", "2026-1-24", "24-01-2026", "2026-01-24-", "2026-00-10", "+026-01-24"]
        {
            assert!(!is_date(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_beginning_of_a_code_turns_no_opt_in_rule_on() {
        let opt_in = crate::rules::all().into_iter().find(|rule| rule.opt_in).unwrap();
        let settings = |word: &str| Settings { select: vec![word.to_owned()], ..Settings::default() };
        assert!(!settings(opt_in.code.get(..3).unwrap()).selects(opt_in) && !settings("RF").selects(opt_in));
        for word in [opt_in.code, opt_in.name, "ALL"] {
            assert!(settings(word).selects(opt_in), "{word}");
            let more = Settings { extend_select: vec![word.to_owned()], ..Settings::default() };
            assert!(more.selects(opt_in), "{word}");
        }
        let by_default = crate::rules::all().into_iter().find(|rule| !rule.opt_in).unwrap();
        assert!(settings(by_default.code.get(..3).unwrap()).selects(by_default));
    }
}
