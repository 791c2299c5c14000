//! Every rule fires on its first example and keeps silent on the second, and its page is complete.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Checked, Input, Rule, Settings, Severity, check, rule::Example, rules};

/// What all rules find in an example, the one under test among them even if it is opt-in.
fn run(rule: &Rule, example: &Example) -> (Input, Checked) {
    let mut settings = Settings::parse("ringfence.toml", example.settings).unwrap();
    settings.extend_select.push(rule.code.to_owned());
    let text = ringfence_manifest::Input {
        name: "example.yaml".to_owned(),
        text: example.manifests.trim_start().to_owned(),
    };
    let input = Input::read(vec![text], &settings);
    let checked = check(&input, &settings);
    (input, checked)
}

fn shown(input: &Input, checked: &Checked) -> String {
    let sources = &input.compiled.cluster().sources;
    let line = |finding: &ringfence_lint::Finding| {
        format!(
            "{} {} {}: {}\n",
            sources.place(finding.origin).unwrap_or_default(),
            finding.severity,
            finding.rule.code,
            finding.message
        )
    };
    checked.findings.iter().map(line).collect()
}

#[test]
fn every_rule_fires_on_its_example_and_is_silent_on_the_corrected_one() {
    let mut wrong = Vec::new();
    for rule in rules::all() {
        let (input, checked) = run(rule, &rule.bad);
        if !checked.findings.iter().any(|finding| finding.rule.code == rule.code) {
            wrong.push(format!("{} is silent on its example:\n{}", rule.code, shown(&input, &checked)));
        }
        let (input, checked) = run(rule, &rule.good);
        if checked.findings.iter().any(|finding| finding.rule.code == rule.code) {
            wrong.push(format!("{} fires on its corrected example:\n{}", rule.code, shown(&input, &checked)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is shown as right is right in every respect: whoever copies it gets no other error or warning.
#[test]
fn corrected_examples_have_no_fault_at_all() {
    let mut wrong = Vec::new();
    for rule in rules::all() {
        let (input, mut checked) = run(rule, &rule.good);
        checked.findings.retain(|finding| finding.severity > Severity::Info);
        if !checked.findings.is_empty() {
            wrong.push(format!("{}:\n{}", rule.code, shown(&input, &checked)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_code_a_name_and_a_page() {
    let all = rules::all();
    assert!(all.windows(2).all(|pair| pair[0].code < pair[1].code), "sorted by code, no code twice");
    for rule in &all {
        let digits = rule.code.strip_prefix("RF").unwrap();
        assert!(digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{}", rule.code);
        let kebab =
            rule.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        assert!(kebab, "{}: `{}` is not kebab-case", rule.code, rule.name);
        assert!(all.iter().filter(|other| other.name == rule.name).count() == 1, "{} twice", rule.name);
        assert!(!rule.summary.ends_with('.') && !rule.summary.contains('\n'), "{}: summary", rule.code);
        for text in [rule.what, rule.why] {
            assert!(text.trim_end().ends_with('.'), "{}: whole sentences: {text}", rule.code);
        }
    }
}

/// Messages, labels and titles are one line without a full stop, and quote the user's text once.
#[test]
fn texts_of_findings_are_in_the_house_style() {
    let mut wrong = Vec::new();
    for rule in rules::all() {
        for example in [&rule.bad, &rule.good] {
            let (_, checked) = run(rule, example);
            for finding in &checked.findings {
                let related = finding.related.iter().map(|related| related.message.as_str());
                let title = finding.fix.as_ref().map(|fix| fix.title.as_str());
                let lines = [Some(finding.message.as_str()), finding.label.as_deref(), title];
                for line in lines.into_iter().flatten().chain(related) {
                    if line.ends_with('.') || line.contains('\n') {
                        wrong.push(format!("{}: {line}", finding.rule.code));
                    }
                }
                for text in lines.into_iter().flatten().chain(finding.help.as_deref()) {
                    if text.contains("``") || text.matches('`').count() % 2 == 1 {
                        wrong.push(format!("{}: backticks: {text}", finding.rule.code));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
