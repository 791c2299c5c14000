//! What the settings ignore in some files. In: the settings and findings. Out: the findings that stay, and the others.

use std::path::{Component, Path, PathBuf};

use globset::{Glob, GlobBuilder, GlobMatcher};
use ringfence_model::origin::{SourceId, Sources};

use super::Reason;
use crate::{
    finding::Finding,
    settings::{PerPath, Settings},
};

/// A glob of paths, as [`PerPath::path`] has it: `*` stays within a directory, `**` does not; one that ends in `/` is
/// everything below.
pub(crate) fn glob(path: &str) -> Result<Glob, globset::Error> {
    let below = if path.ends_with('/') { format!("{path}**") } else { path.to_owned() };
    GlobBuilder::new(below.strip_prefix("./").unwrap_or(&below)).literal_separator(true).build()
}

/// Parts findings into those that stay, and those that the settings ignore where they are.
pub(crate) fn apply(
    found: Vec<Finding>,
    settings: &Settings,
    sources: &Sources,
) -> (Vec<Finding>, Vec<(Finding, Reason)>) {
    if settings.per_path.is_empty() {
        return (found, Vec::new());
    }
    let matchers: Vec<(GlobMatcher, &PerPath)> = (settings.per_path.iter())
        .filter_map(|table| Some((glob(&table.path).ok()?.compile_matcher(), table)))
        .collect();
    let tables: Vec<Vec<&PerPath>> = (sources.iter())
        .map(|(_, source)| {
            let path = path_of(&source.name, settings);
            let here = matchers.iter().filter(|(matcher, _)| matcher.is_match(&path));
            here.map(|(_, table)| *table).collect()
        })
        .collect();
    let ignored = |finding: &Finding| {
        let SourceId(at) = finding.origin.source;
        let tables = tables.get(at as usize)?;
        let named = |table: &&&PerPath| table.ignore.iter().any(|word| finding.rule.is_named_by(word));
        tables.iter().find(named).copied()
    };
    let (mut stay, mut suppressed) = (Vec::new(), Vec::new());
    for finding in found {
        match ignored(&finding) {
            None => stay.push(finding),
            Some(table) => {
                let text = format!("the settings ignore it in `{}`", table.path);
                suppressed.push((finding, Reason { text, in_source: false }));
            }
        }
    }
    (stay, suppressed)
}

/// The path of a text relative to the settings file, as far as names tell.
fn path_of(name: &str, settings: &Settings) -> PathBuf {
    let Some(base) = &settings.base else { return tidied(Path::new(name)) };
    let whole = tidied(&base.working.join(name));
    whole.strip_prefix(tidied(&base.settings)).map(Path::to_owned).unwrap_or(whole)
}

/// A path without `.` and `..`, by its words alone.
fn tidied(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some() => {
                tidy.pop();
            }
            _ => tidy.push(part),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Base;

    #[test]
    fn paths_are_relative_to_the_settings_file() {
        let base = Base { settings: "/repo".into(), working: "/repo/k8s".into() };
        let settings = Settings { base: Some(base), ..Settings::default() };
        let path = |name: &str| path_of(name, &settings).to_string_lossy().into_owned();
        assert_eq!(path("a.yaml"), "k8s/a.yaml");
        assert_eq!(path("../b/./c.yaml"), "b/c.yaml");
        assert_eq!(path("/repo/d.yaml"), "d.yaml");
        assert_eq!(path("../../e.yaml"), "/e.yaml");
        assert_eq!(path_of("./a/../b.yaml", &Settings::default()), Path::new("b.yaml"));
    }

    #[test]
    fn globs_know_directories() {
        let is = |pattern: &str, path: &str| glob(pattern).unwrap().compile_matcher().is_match(path);
        assert!(is("legacy/**", "legacy/a/b.yaml"));
        assert!(is("legacy/", "legacy/a/b.yaml"));
        assert!(is("./*.yaml", "a.yaml"));
        assert!(!is("*.yaml", "a/b.yaml"));
    }
}
