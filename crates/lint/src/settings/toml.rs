//! `ringfence.toml`. In: its text. Out: settings, or what is wrong with it, at its place.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ringfence_analysis::nearest::nearest;
use ringfence_model::{
    IpNet,
    diagnostic::Diagnostic,
    origin::{Origin, Sources},
    profile::Profile,
};
use serde::Deserialize;
use toml::Spanned;

use super::{Hygiene, PerPath, Settings, Stated, is_date, whole};
use crate::{rule::Severity, rules, suppress};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    select: Vec<Spanned<String>>,
    extend_select: Vec<Spanned<String>>,
    ignore: Vec<Spanned<String>>,
    severity: BTreeMap<Spanned<String>, Spanned<String>>,
    per_path: Vec<PathTable>,
    cluster: ClusterTable,
    hygiene: HygieneTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PathTable {
    path: Spanned<String>,
    ignore: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct ClusterTable {
    namespace: Option<String>,
    profile: Option<Spanned<String>>,
    pod_cidrs: Vec<Spanned<String>>,
    service_cidrs: Vec<Spanned<String>>,
    node_cidrs: Vec<Spanned<String>>,
    dual_stack: Option<bool>,
    dns: Vec<Spanned<String>>,
    node_local_dns: Vec<Spanned<String>>,
    api_server: Vec<Spanned<String>>,
    ingress_controllers: Vec<Spanned<String>>,
    prometheus: Vec<Spanned<String>>,
    metadata_addresses: Vec<Spanned<String>>,
    sensitive: Vec<Spanned<String>>,
    not_sensitive: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct HygieneTable {
    owner: Option<String>,
    reason: Option<String>,
    last_reviewed: Option<String>,
    reviewed_since: Option<Spanned<String>>,
    name_pattern: Option<Spanned<String>>,
}

/// A mistake: where, what, and what to do.
type Mistake = (std::ops::Range<usize>, String, String);

impl Settings {
    /// Reads the text of a settings file.
    ///
    /// # Errors
    /// What is wrong with it, with the text as its only source: the syntax, an unknown field, or values that mean nothing
    /// (a rule that does not exist, an address that is none).
    pub fn parse(name: &str, text: &str) -> Result<Self, (Vec<Diagnostic>, Sources)> {
        let mut mistakes = Vec::new();
        let settings = match toml::from_str::<File>(text) {
            Ok(file) => convert(file, &mut mistakes),
            Err(error) => {
                let message = lowered(error.message());
                let help = field_meant(&message).map_or_else(
                    || "see `docs/check.md` for what a settings file holds".to_owned(),
                    |meant| format!("did you mean `{meant}`?"),
                );
                mistakes.push((error.span().unwrap_or(0..0), message, help));
                Self::default()
            }
        };
        mistakes.sort_by_key(|(range, ..)| range.start);
        if mistakes.is_empty() {
            return Ok(settings);
        }
        let mut sources = Sources::default();
        let source = sources.add(name, text);
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let diagnostics = mistakes.into_iter().map(|(range, message, help)| {
            let origin = Origin { source, start: offset(range.start), end: offset(range.end) };
            Diagnostic::error("settings", origin, message).with_help(help)
        });
        Err((diagnostics.collect(), sources))
    }
}

/// The first line of a message, beginning in lower case.
fn lowered(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut letters = line.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The field that an unknown one may stand for, by the parser's message: "unknown field `a`, expected one of `b`, `c`".
fn field_meant(message: &str) -> Option<String> {
    let mut words = message.strip_prefix("unknown field")?.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    nearest(unknown, words).into_iter().next()
}

fn convert(file: File, mistakes: &mut Vec<Mistake>) -> Settings {
    let File { select, extend_select, ignore, severity, per_path, cluster, hygiene } = file;
    let mut words = |list: Vec<Spanned<String>>| -> Vec<String> {
        list.into_iter().map(|word| rule_word(&word, mistakes)).collect()
    };
    let (select, extend_select, ignore) = (words(select), words(extend_select), words(ignore));
    let per_path: Vec<(Spanned<String>, Vec<String>)> =
        per_path.into_iter().map(|table| (table.path, words(table.ignore))).collect();
    let per_path = per_path
        .into_iter()
        .map(|(path, ignore)| {
            if let Err(error) = suppress::paths::glob(path.get_ref()) {
                let message = format!("`{}` is no pattern of paths: {}", path.get_ref(), error.kind());
                mistakes.push((path.span(), message, "write it like `legacy/**`".to_owned()));
            }
            PerPath { path: path.into_inner(), ignore }
        })
        .collect();
    let severity = severity
        .into_iter()
        .filter_map(|(word, level)| {
            let word = rule_word(&word, mistakes);
            let Some(parsed) = Severity::parse(level.get_ref()) else {
                let message = format!("unknown severity `{}`", level.get_ref());
                mistakes.push((level.span(), message, "write `error`, `warning` or `info`".to_owned()));
                return None;
            };
            Some((word, parsed))
        })
        .collect();
    Settings {
        select,
        extend_select,
        ignore,
        severity,
        per_path,
        base: None,
        cluster: stated(cluster, mistakes),
        hygiene: asked(hygiene, mistakes),
    }
}

/// A word that must name some rule.
fn rule_word(word: &Spanned<String>, mistakes: &mut Vec<Mistake>) -> String {
    let text = word.get_ref().clone();
    if !rules::all().iter().any(|rule| rule.is_named_by(&text)) {
        let near = nearest(&text, rules::all().into_iter().flat_map(|rule| [rule.code, rule.name]));
        let meant = near.first().map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let help = format!(
            "{meant}give a code (`RF301`), the beginning of codes (`RF3`), a name, or `ALL`; `ringfence rules` lists them"
        );
        mistakes.push((word.span(), format!("no rule is called `{text}`"), help));
    }
    text
}

fn stated(table: ClusterTable, mistakes: &mut Vec<Mistake>) -> Stated {
    let profile = table.profile.and_then(|name| {
        let profile = Profile::named(name.get_ref());
        if profile.is_none() {
            let known: Vec<String> = Profile::ALL.iter().map(|known| format!("`{}`", known.name)).collect();
            let help = format!("known are {}", known.join(", "));
            mistakes.push((name.span(), format!("unknown profile `{}`", name.get_ref()), help));
        }
        profile
    });
    let mut nets = |list: Vec<Spanned<String>>| each::<IpNet>(list, "network", "10.0.0.0/8", mistakes);
    let (pod_cidrs, service_cidrs, node_cidrs) =
        (nets(table.pod_cidrs), nets(table.service_cidrs), nets(table.node_cidrs));
    let mut addresses = |list: Vec<Spanned<String>>| each::<IpAddr>(list, "address", "10.0.0.1", mistakes);
    let node_local_dns = addresses(table.node_local_dns);
    let metadata_addresses = addresses(table.metadata_addresses);
    let api_server = each::<SocketAddr>(table.api_server, "address with a port", "10.0.0.1:6443", mistakes);
    Stated {
        namespace: table.namespace,
        profile,
        pod_cidrs,
        service_cidrs,
        node_cidrs,
        dual_stack: table.dual_stack,
        dns: workloads(table.dns, mistakes),
        node_local_dns,
        api_server,
        ingress_controllers: workloads(table.ingress_controllers, mistakes),
        prometheus: workloads(table.prometheus, mistakes),
        metadata_addresses,
        sensitive: workloads(table.sensitive, mistakes),
        not_sensitive: workloads(table.not_sensitive, mistakes),
    }
}

/// The values that are `namespace/workload`; a mistake for each of the others.
fn workloads(list: Vec<Spanned<String>>, mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let named = |value: &Spanned<String>| {
        let parts: Vec<&str> = value.get_ref().split('/').collect();
        matches!(parts.as_slice(), [namespace, name] if !namespace.is_empty() && !name.is_empty())
    };
    for value in list.iter().filter(|value| !named(value)) {
        let message = format!("`{}` is no workload", value.get_ref());
        mistakes.push((value.span(), message, "write it like `namespace/workload`".to_owned()));
    }
    list.into_iter().map(Spanned::into_inner).collect()
}

/// The values that can be read; a mistake for each of the others.
fn each<T: std::str::FromStr>(
    list: Vec<Spanned<String>>,
    what: &str,
    example: &str,
    mistakes: &mut Vec<Mistake>,
) -> Vec<T> {
    list.into_iter()
        .filter_map(|value| {
            let parsed = value.get_ref().parse().ok();
            if parsed.is_none() {
                let message = format!("`{}` is no {what}", value.get_ref());
                mistakes.push((value.span(), message, format!("write it like `{example}`")));
            }
            parsed
        })
        .collect()
}

fn asked(table: HygieneTable, mistakes: &mut Vec<Mistake>) -> Hygiene {
    let default = Hygiene::default();
    if let Some(day) = table.reviewed_since.as_ref().filter(|day| !is_date(day.get_ref())) {
        let message = format!("`{}` is no date", day.get_ref());
        mistakes.push((day.span(), message, "write it like `2026-01-24`".to_owned()));
    }
    if let Some(pattern) = &table.name_pattern
        && let Err(error) = regex::Regex::new(&whole(pattern.get_ref()))
    {
        let last = error.to_string();
        let reason = last.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let message = format!("`{}` is no regular expression: {reason}", pattern.get_ref());
        mistakes.push((pattern.span(), message, "write it like `(allow|deny)-[a-z0-9-]+`".to_owned()));
    }
    Hygiene {
        owner: table.owner.unwrap_or(default.owner),
        reason: table.reason.unwrap_or(default.reason),
        last_reviewed: table.last_reviewed.unwrap_or(default.last_reviewed),
        reviewed_since: table.reviewed_since.map(Spanned::into_inner),
        name_pattern: table.name_pattern.map(Spanned::into_inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_settings() {
        let text = r#"
select = ["RF5"]
extend-select = ["policy-types-omit-rules"]
ignore = ["RF503"]
[severity]
RF503 = "info"
[[per-path]]
path = "legacy/**"
ignore = ["ALL"]
[cluster]
profile = "cilium"
pod-cidrs = ["10.0.0.0/8", "fd00::/8"]
api-server = ["10.0.0.1:6443"]
[hygiene]
owner = "team"
"#;
        let settings = Settings::parse("ringfence.toml", text).unwrap();
        assert_eq!(settings.cluster.profile, Some(Profile::CILIUM));
        assert_eq!(settings.cluster.pod_cidrs.len(), 2);
        assert_eq!(settings.severity, [("RF503".to_owned(), Severity::Info)]);
        assert_eq!(settings.hygiene.owner, "team");
        // A name and a whole code are equally exact: then to ignore wins.
        assert!(!settings.selects(rules::find("RF503").unwrap()));
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        let text = "ignore = [\"RF999\"]\n[cluster]\npod-cidrs = [\"10.0.0.0/99\"]\nprofile = \"x\"\n";
        let (found, sources) = Settings::parse("ringfence.toml", text).unwrap_err();
        let shown: Vec<String> = found
            .iter()
            .map(|one| format!("{} {}", sources.place(one.origin).unwrap(), one.message))
            .collect();
        assert_eq!(
            shown,
            [
                "ringfence.toml:1 no rule is called `RF999`",
                "ringfence.toml:3 `10.0.0.0/99` is no network",
                "ringfence.toml:4 unknown profile `x`",
            ]
        );
        let help = |text: &str| {
            let (found, _) = Settings::parse("ringfence.toml", text).unwrap_err();
            format!("{}: {}", found[0].message, found[0].help.clone().unwrap())
        };
        let unknown = help("selct = []");
        assert!(unknown.starts_with("unknown field `selct`"), "{unknown}");
        assert!(unknown.ends_with(": did you mean `select`?"), "{unknown}");
        assert!(help("ignore = [\"RF5033\"]").contains(": did you mean `RF503`? give a code"));
        assert_eq!(
            help("[cluster]\nprometheus = [\"prometheus\"]"),
            "`prometheus` is no workload: write it like `namespace/workload`"
        );
    }
}
