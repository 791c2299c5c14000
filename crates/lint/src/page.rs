//! The page of a rule, and the list of all pages. In: rules. Out: Markdown, as `ringfence rule` prints it and `docs/rules`
//! holds it.

use std::fmt::Write as _;

use crate::{
    Input, Settings, check,
    finding::Finding,
    rule::{Example, Rule},
    rules,
};

/// The subjects of rules: the beginning of their codes, and what they are about.
pub const SUBJECTS: [(&str, &str); 9] = [
    ("RF0", "The check itself and its input"),
    ("RF1", "Matches nothing, or something else than meant"),
    ("RF2", "Addresses"),
    ("RF3", "Lost paths"),
    ("RF4", "Too much"),
    ("RF5", "Too little"),
    ("RF6", "Tiers"),
    ("RF7", "Dialects"),
    ("RF8", "Hygiene"),
];

/// The name of the examples' file.
const EXAMPLE: &str = "example.yaml";

/// The page of a rule.
#[must_use]
pub fn page(rule: &Rule) -> String {
    let mut page = format!("# {} {}\n\n{}.\n\n", rule.code, rule.name, sentence(rule.summary));
    let runs = if rule.opt_in { "only when selected" } else { "by default" };
    let fixed = if is_fixable(rule) { "`--fix` (where the engine confirms it)" } else { "by hand" };
    page.push_str("| Severity | Runs | Repaired | Since |\n|---|---|---|---|\n");
    let _ = writeln!(page, "| {} | {runs} | {fixed} | {} |\n", rule.severity, rule.since);
    let _ = writeln!(page, "## What it does\n\n{}\n", rule.what.trim());
    let _ = writeln!(page, "## Why that is bad\n\n{}\n", rule.why.trim());
    page.push_str("## Example\n\n");
    example(&mut page, &rule.bad);
    said(&mut page, rule);
    page.push_str("## The example corrected\n\n");
    example(&mut page, &rule.good);
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// The list of all rules, by subject.
#[must_use]
pub fn index() -> String {
    let mut index = String::from(
        "# Rules of `ringfence check`\n\nThese pages are generated from the rules (`cargo xtask docs`); `ringfence rule CODE` \
         prints one. How to select, suppress and repair: [check.md](../check.md).\n",
    );
    for (beginning, subject) in SUBJECTS {
        let of_subject: Vec<&Rule> =
            rules::all().into_iter().filter(|rule| rule.code.starts_with(beginning)).collect();
        if of_subject.is_empty() {
            continue;
        }
        let _ = write!(
            index,
            "\n## {beginning}xx {subject}\n\n| Rule | Severity | Fixable | What it finds |\n|---|---|---|---|\n"
        );
        for rule in of_subject {
            let Rule { code, name, severity, summary, .. } = rule;
            let fixable = if is_fixable(rule) { "yes" } else { "" };
            let opt_in = if rule.opt_in { " (only when selected)" } else { "" };
            let summary = summary.replace('|', "\\|");
            let _ = writeln!(
                index,
                "| [{code}]({code}.md) {name} | {severity} | {fixable} | {summary}{opt_in} |"
            );
        }
    }
    index
}

fn example(page: &mut String, example: &Example) {
    let _ = writeln!(page, "```yaml\n{}\n```\n", example.manifests.trim());
    let settings = example.settings.trim();
    if !settings.is_empty() {
        let _ = writeln!(page, "with this `ringfence.toml`:\n\n```toml\n{settings}\n```\n");
    }
}

/// What the rule says about its example.
fn said(page: &mut String, rule: &Rule) {
    let (input, findings) = findings(rule, &rule.bad);
    let sources = &input.compiled.cluster().sources;
    for finding in &findings {
        let line = sources.position(finding.origin).map_or(1, |position| position.line);
        let _ = writeln!(page, "- Line {line}: {}", finding.message);
        if let Some(help) = &finding.help {
            help_of_item(page, help);
        }
    }
    page.truncate(page.trim_end().len());
    page.push_str("\n\n");
}

/// A finding's help within a list item: its first line as text, the lines after it, which are a manifest, as such.
fn help_of_item(page: &mut String, help: &str) {
    let (first, manifest) = split_help(help);
    let _ = writeln!(page, "\n  Help: {first}\n");
    if !manifest.is_empty() {
        page.push_str("  ```yaml\n");
        for line in manifest.lines() {
            let _ = writeln!(page, "{}", format!("  {line}").trim_end());
        }
        page.push_str("  ```\n\n");
    }
}

/// The line that introduces a help, and the manifest after it, if there is one.
#[must_use]
pub fn split_help(help: &str) -> (&str, &str) {
    match help.trim_end().split_once('\n') {
        Some((first, manifest)) => (first, manifest.trim_matches('\n')),
        None => (help, ""),
    }
}

/// Whether the rule offers a repair: it does so for its example, if for anything.
#[must_use]
pub fn is_fixable(rule: &Rule) -> bool {
    findings(rule, &rule.bad).1.iter().any(|finding| finding.fix.is_some())
}

/// What a rule finds in one of its examples.
fn findings(rule: &Rule, example: &Example) -> (Input, Vec<Finding>) {
    // The settings of examples are tested; a mistake in them leaves the defaults.
    let stated = Settings::parse("ringfence.toml", example.settings).unwrap_or_default();
    let settings = Settings { select: vec![rule.code.to_owned()], ..stated };
    let text = ringfence_manifest::Input {
        name: EXAMPLE.to_owned(),
        text: format!("{}\n", example.manifests.trim()),
    };
    let input = Input::read(vec![text], &settings);
    let findings = check(&input, &settings).findings;
    (input, findings)
}

/// With a capital letter, unless it begins with a name.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_the_rule_says_of_its_example() {
        let page = page(rules::find("RF503").unwrap());
        assert!(page.starts_with("# RF503 policy-types-omit-rules\n\nRules for a direction"), "{page}");
        assert!(page.contains("- Line 15: the egress rules of `shop/api` have no effect\n"), "{page}");
        assert!(page.contains("\n  Help: add `Egress` to `policyTypes`, or remove the rules\n"), "{page}");
    }

    #[test]
    fn every_rule_is_listed_once() {
        let index = index();
        for rule in rules::all() {
            assert_eq!(index.matches(&format!("[{0}]({0}.md)", rule.code)).count(), 1, "{}", rule.code);
        }
    }

    #[test]
    fn a_help_is_a_line_and_perhaps_a_manifest() {
        assert_eq!(split_help("do it"), ("do it", ""));
        assert_eq!(split_help("add this:\n\na: 1\nb: 2\n"), ("add this:", "a: 1\nb: 2"));
    }
}
