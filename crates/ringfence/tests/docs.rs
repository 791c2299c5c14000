//! Documents keep their word. In: docs. Out: generated documents that are not what the program says (with `UPDATE_DOCS` set
//! they are written anew), and examples that do not do what is said of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use ringfence::documents;
use ringfence_lint::{Input, Settings, check};

fn docs() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

#[test]
fn generated_documents_are_up_to_date() {
    let mut wrong = Vec::new();
    for document in documents() {
        let path = docs().join(&document.path);
        if fs::read_to_string(&path).unwrap_or_default() == document.text {
            continue;
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, document.text).unwrap();
        } else {
            wrong.push(document.path);
        }
    }
    assert!(wrong.is_empty(), "write them anew with `cargo xtask docs`: {}", wrong.join(", "));
}

#[test]
fn every_page_has_a_rule() {
    let known: BTreeSet<String> = documents().into_iter().map(|document| document.path).collect();
    let pages = fs::read_dir(docs().join("rules")).unwrap();
    let names = pages.map(|page| format!("rules/{}", page.unwrap().file_name().to_string_lossy()));
    let unknown: Vec<String> = names.filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "pages of no rule: {}", unknown.join(", "));
}

/// The blocks of a language in a document.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line.strip_prefix("```") == Some(language);
            if inside {
                blocks.push(String::new());
            }
        } else if inside && let Some(block) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

/// The fields that are known in a table of a settings file: an unknown one is answered with them.
fn fields(table: &str) -> BTreeSet<String> {
    let (mistakes, _) =
        Settings::parse("ringfence.toml", &format!("{table}\nno-such-field = 1\n")).unwrap_err();
    let message = &mistakes.first().unwrap().message;
    let known = message.split_once("expected").unwrap().1;
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_settings_in_check_md_are_valid_and_complete() {
    let text = fs::read_to_string(docs().join("check.md")).unwrap();
    let examples = blocks(&text, "toml");
    let example = examples.first().unwrap();
    for example in &examples {
        let settings = Settings::parse("ringfence.toml", example);
        assert!(settings.is_ok(), "{settings:?}");
    }
    let keys: BTreeSet<&str> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" = ").next().unwrap_or_default().trim_matches(['[', ']']))
        .collect();
    for table in ["", "[[per-path]]", "[cluster]", "[hygiene]"] {
        let missing: Vec<String> =
            fields(table).into_iter().filter(|field| !keys.contains(&**field)).collect();
        assert!(missing.is_empty(), "{table}: not in docs/check.md: {}", missing.join(", "));
    }
}

#[test]
fn the_suppressions_in_check_md_are_understood() {
    let text = fs::read_to_string(docs().join("check.md")).unwrap();
    let example =
        blocks(&text, "yaml").into_iter().find(|block| block.contains("# ringfence: ignore[")).unwrap();
    let settings = Settings { select: vec!["RF0".to_owned(), "RF401".to_owned()], ..Settings::default() };
    let input = Input::read(
        vec![ringfence_manifest::Input { name: "example.yaml".to_owned(), text: example }],
        &settings,
    );
    let checked = check(&input, &settings);
    let codes: Vec<&str> = checked.suppressed.iter().map(|(finding, _)| finding.rule.code).collect();
    assert_eq!((codes, checked.findings.len()), (vec!["RF401"], 0));
}
