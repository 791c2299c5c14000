//! Texts made to exhaust a reader end in an error, and soon.

#![expect(clippy::expect_used, reason = "the helpers of a test fail as tests do")]

use std::time::{Duration, Instant};

use ringfence_manifest::parse::{MAX_ALIASED_NODES, MAX_DEPTH, MAX_NODES, parse};

/// The message for a text; the limit is for a debug build on a busy machine.
fn complaint(text: &str) -> String {
    let start = Instant::now();
    let message = parse(text, 0).expect_err("an error").message;
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    message
}

const DEEP: usize = 10_000;

#[test]
fn deep_nesting() {
    let message = format!("mappings and lists are nested more than {MAX_DEPTH} deep (255 with brackets)");
    assert_eq!(complaint(&"[".repeat(DEEP)), message);
    assert_eq!(complaint(&format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP))), message);
    assert_eq!(complaint(&"{a: ".repeat(DEEP)), message);
    assert_eq!(complaint(&"{\"a\":".repeat(DEEP)), message);
    assert_eq!(complaint(&format!("a: {}", "[{b: ".repeat(DEEP))), message);
    assert_eq!(complaint(&"- ".repeat(DEEP)), message);
    assert_eq!(complaint(&"? ".repeat(DEEP)), message);
    let staircase: String = (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(complaint(&staircase), message);
}

#[test]
fn as_deep_as_allowed() {
    let dashes = format!("{}a\n", "- ".repeat(MAX_DEPTH));
    assert!(parse(&dashes, 0).is_ok());
    let brackets = format!("{}{}", "[".repeat(255), "]".repeat(255));
    assert!(parse(&brackets, 0).is_ok());
}

#[test]
fn alias_bombs() {
    let message =
        format!("aliases and merge keys blow the document up by more than {MAX_ALIASED_NODES} values");
    let mut lists = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "a0: &a0 {k: v}\n".to_owned();
    for i in 1..30 {
        let before = i - 1;
        lists.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{before}"); 9].join(", ")));
        merges.push_str(&format!("a{i}: &a{i} {{<<: *a{before}, l: *a{before}, r: *a{before}}}\n"));
    }
    assert_eq!(complaint(&lists), message);
    assert_eq!(complaint(&merges), message);
    let nested: String = (0..200).map(|i| format!("&a{i} [")).collect();
    assert_eq!(complaint(&format!("{nested}{}{}", "x, ".repeat(10_000), "]".repeat(200))), message);
}

#[test]
fn more_values_than_allowed() {
    let text = format!("[{}]", "a,".repeat(MAX_NODES));
    assert_eq!(complaint(&text), format!("the document has more than {MAX_NODES} values"));
}

#[test]
fn long_lines_and_unclosed_quotes() {
    let long = "x".repeat(5_000_000);
    assert!(parse(&format!("a: {long}\n"), 0).is_ok());
    assert!(parse(&format!("a: \"{long}\"\n"), 0).is_ok());
    assert!(parse(&format!("a: \"{long}\n"), 0).is_err());
    let ascending: String = (0..200_000).map(|i| format!("k{i}: v\n")).collect();
    assert!(parse(&ascending, 0).is_ok());
}
