//! Repairs: the finding goes away, what they claim is true, making them again changes nothing, and the rest of the text
//! stays as it is.

use ringfence_lint::{Settings, fix, rules};

fn text(manifests: &str) -> Vec<ringfence_manifest::Input> {
    vec![ringfence_manifest::Input { name: "a.yaml".to_owned(), text: manifests.trim_start().to_owned() }]
}

/// Settings that state nothing but a rule's own, and run that rule.
fn settings(rule: &ringfence_lint::Rule) -> Settings {
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    let mut settings =
        Settings::parse("ringfence.toml", rule.bad.settings).expect("the settings of an example are valid");
    settings.extend_select.push(rule.code.to_owned());
    settings
}

#[test]
fn the_repairs_of_the_examples_hold_and_are_idempotent() {
    let mut wrong = Vec::new();
    for rule in rules::all() {
        let settings = settings(rule);
        let before = text(rule.bad.manifests);
        let planned = fix::plan(&before, &settings);
        for (finding, reason) in &planned.refused {
            if finding.rule.code == rule.code {
                wrong.push(format!("{}: the repair of its example is refused: {reason}", rule.code));
            }
        }
        let Some(changed) = planned.files.first() else { continue };
        let again = fix::plan(&text(&changed.new), &settings);
        if let Some(second) = again.files.first() {
            wrong.push(format!("{}: not idempotent:\n{}\nthen\n{}", rule.code, changed.new, second.new));
        }
        let kept = |line: &str| changed.new.lines().any(|new| new == line);
        let comments = changed.old.lines().filter(|line| line.trim_start().starts_with('#'));
        for lost in comments.filter(|line| !kept(line)) {
            wrong.push(format!("{}: the repair loses the comment `{lost}`", rule.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
