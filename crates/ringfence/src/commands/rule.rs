//! `rule`. In: the code or name of a rule. Out: its page.

use ringfence_lint::{Rule, page, rules};
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::{args::rules::RuleArgs, context::Failure, exit::Exit, output};

/// So many near names are offered.
const MOST_NEAR: usize = 3;

/// Names are near from this similarity on, 0 to 1.
const NEAR: f64 = 0.6;

/// Prints the page.
pub(crate) fn run(args: &RuleArgs) -> Result<Exit, Failure> {
    let Some(rule) = rules::find(&args.rule) else {
        let message = format!("no rule is called `{}`", args.rule);
        return Err(Box::new(Diagnostic::error("usage", Origin::NONE, message).with_help(near(&args.rule))));
    };
    output::plain(|out| out.write_all(page::page(rule).as_bytes()))?;
    Ok(Exit::Fine)
}

/// What to write instead of a word that names no rule: the nearest codes and names, else where to look.
pub(crate) fn near(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    let mut near: Vec<(f64, &Rule)> = rules::all()
        .into_iter()
        .map(|rule| {
            let code = strsim::jaro_winkler(&word, &rule.code.to_ascii_lowercase());
            let name = strsim::jaro_winkler(&word, rule.name);
            // A code is short, and all of them are alike: only what looks like one is held against it.
            let likeness = if word.starts_with("rf") { code } else { name };
            (likeness, rule)
        })
        .filter(|(likeness, _)| *likeness >= NEAR)
        .collect();
    near.sort_by(|(a, first), (b, second)| b.total_cmp(a).then_with(|| first.code.cmp(second.code)));
    near.truncate(MOST_NEAR);
    let names: Vec<String> =
        near.iter().map(|(_, rule)| format!("`{}` ({})", rule.code, rule.name)).collect();
    match names.as_slice() {
        [] => "`ringfence rules` lists them".to_owned(),
        names => format!("near are {}; `ringfence rules` lists all", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rules_are_offered() {
        assert!(near("policy-types-omits-rule").starts_with("near are `RF503` (policy-types-omit-rules)"));
        assert_eq!(near("zzz"), "`ringfence rules` lists them");
    }
}
