//! Text and netlink are the same program: both list the same, and the listing loads again.

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use ringfence_dataplane::{
    netlink::Nftables,
    nft::{Table, check},
    text,
};

use crate::{
    Tests,
    namespace::{inside, list, list_json, nft},
    programs,
};

pub(crate) const TESTS: Tests =
    &[("forms::every_statement", every_statement), ("forms::any_program", any_program)];

fn every_statement() {
    let table = programs::everything("forms");
    check(&table).unwrap();
    same(&table).unwrap();
}

fn any_program() {
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&programs::any_table("forms"), |table| inside(|| same(&table)).map_err(TestCaseError::fail))
        .unwrap();
}

fn same(table: &Table) -> Result<(), String> {
    let source = text::render(table);
    let (by_text, by_text_json, again) = inside(|| {
        nft(&["-f", "-"], &source)?;
        let (first, json) = (list(), list_json());
        nft(&["flush", "ruleset"], "")?;
        nft(&["-f", "-"], &first).map_err(|error| format!("the listing does not load: {error}\n{first}"))?;
        Ok::<_, String>((first, json, list()))
    })
    .map_err(|error| format!("{error}\n{source}"))?;
    let (by_netlink, by_netlink_json) = inside(|| {
        let mut nft = Nftables::open().unwrap();
        nft.load(table).map_err(|error| error.to_string())?;
        let read = nft.read(&table.name).map_err(|error| error.to_string())?.ok_or("nothing to read")?;
        if !read.is(table) {
            return Err(format!(
                "read back differs: {:?} {} \n{}",
                read.foreign_rules,
                read.foreign,
                text::render(&read.table)
            ));
        }
        Ok::<_, String>((list(), list_json()))
    })
    .map_err(|error| format!("{error}\n{source}"))?;
    equal("text and netlink", &by_text, &by_netlink)?;
    equal("text and netlink as JSON", &by_text_json, &by_netlink_json)?;
    equal("text and its listing", &by_text, &again)
}

pub(crate) fn equal(what: &str, one: &str, other: &str) -> Result<(), String> {
    if one == other {
        return Ok(());
    }
    let lines: Vec<String> = one
        .lines()
        .zip(other.lines())
        .filter(|(one, other)| one != other)
        .take(20)
        .map(|(one, other)| format!("- {one}\n+ {other}"))
        .collect();
    Err(format!(
        "{what} differ ({} and {} lines)\n{}\n{one}",
        one.lines().count(),
        other.lines().count(),
        lines.join("\n")
    ))
}
