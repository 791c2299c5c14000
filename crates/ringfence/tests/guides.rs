//! What `check` says about the guides' own YAML. In: the sections of tests/corpus/guides, each a cluster of its own. Out: one
//! snapshot per guide with the rule, the place and the marked text of every error and warning, by section; a section that
//! the guide has right is empty.

#[expect(dead_code, reason = "these tests check manifests and leave the tables to the other ones")]
mod sections;

use std::fmt::Write as _;

use ringfence_lint::{Finding, Input, Settings, Severity, check};
use ringfence_model::origin::Sources;

#[test]
fn faults_are_found_where_they_are_and_nothing_else_is() {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots/guides");
    let mut guides = 0;
    for (name, text) in sections::files().unwrap() {
        let Some(guide) = name.strip_prefix("guides/") else { continue };
        guides += 1;
        settings.set_description(format!("{name}: line, level, rule, marked text"));
        settings.bind(|| insta::assert_snapshot!(guide.trim_end_matches(".md"), found(&name, &text)));
    }
    assert!(guides > 10, "{guides} guides");
}

/// The findings of every section of a guide.
fn found(name: &str, text: &str) -> String {
    let mut out = String::new();
    let settings = Settings::default();
    for section in sections::sections(text) {
        let _ = writeln!(out, "## {}", section.title);
        let given = ringfence_manifest::Input { name: name.to_owned(), text: section.manifests(text) };
        let input = Input::read(vec![given], &settings);
        let sources = &input.compiled.cluster().sources;
        for finding in check(&input, &settings).findings {
            assert!(finding.severity == Severity::Info || finding.help.is_some(), "{}", finding.message);
            if finding.severity != Severity::Info {
                let _ = writeln!(out, "{}", line(&finding, sources));
            }
        }
        out.push('\n');
    }
    out
}

/// A finding in a line.
fn line(finding: &Finding, sources: &Sources) -> String {
    let place = sources.place(finding.origin).unwrap_or_default();
    let at = place.split_once(':').map_or("", |(_, at)| at);
    let span = finding.origin.start as usize..finding.origin.end as usize;
    let marked =
        sources.get(finding.origin.source).and_then(|source| source.text.get(span)).unwrap_or_default();
    let marked = marked.lines().next().unwrap_or_default();
    format!("{at} {} {} {} `{marked}`", finding.severity, finding.rule.code, finding.rule.name)
}
