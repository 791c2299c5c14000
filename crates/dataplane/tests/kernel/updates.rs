//! Updates: the kernel after a difference is the kernel after a load, over many steps.

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use ringfence_dataplane::{
    netlink::Nftables,
    nft::{Chain, HookPoint, Table, Value, Verdict},
    reconcile::{Keeper, Ownership, Transaction, diff},
    text,
};

use crate::{
    Tests,
    forms::equal,
    namespace::{inside, list, nft},
    programs::{self, any_table, everything},
};

pub(crate) const TESTS: Tests = &[
    ("updates::any_two_programs", any_two_programs),
    ("updates::many_steps", many_steps),
    ("updates::a_difference_is_minimal", a_difference_is_minimal),
    ("updates::full_sets_grow", full_sets_grow),
    ("updates::removal_leaves_nothing", removal_leaves_nothing),
    ("updates::refused_updates_change_nothing", refused_updates_change_nothing),
    ("updates::other_tables_stay", other_tables_stay),
];

/// The listing with its objects and their elements sorted: the kernel lists them in the order in which they came.
pub(crate) fn sorted() -> String {
    let listing = list();
    let body = listing.split_once('\n').map_or("", |(_, body)| body);
    let mut blocks: Vec<String> =
        body.strip_suffix("}\n").unwrap_or(body).split("\n\n").map(sort_elements).collect();
    blocks.sort();
    blocks.join("\n\n")
}

fn sort_elements(block: &str) -> String {
    let block = block.trim_end();
    let Some((head, rest)) = block.split_once("elements = { ") else { return block.to_owned() };
    let (elements, tail) = rest.split_once(" }").unwrap_or((rest, ""));
    let mut elements: Vec<&str> = elements.split(',').map(str::trim).collect();
    elements.sort_unstable();
    format!("{head}elements = {{ {} }}{tail}", elements.join(", "))
}

fn loaded(table: &Table) -> String {
    inside(|| {
        Nftables::open().unwrap().load(table).unwrap();
        sorted()
    })
}

fn any_two_programs() {
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&(any_table("t"), any_table("t")), |(old, new)| {
            let mut model = old.clone();
            diff(&old, &new).apply_to(&mut model);
            prop_assert_eq!(&model, &new);
            let updated = inside(|| {
                let mut nft = Nftables::open().unwrap();
                nft.load(&old).unwrap();
                nft.apply(&diff(&old, &new)).map_err(|error| format!("{error}\n{}", text::render(&old)))?;
                Ok::<_, String>(sorted())
            })
            .map_err(TestCaseError::fail)?;
            equal("an update and a load", &updated, &loaded(&new)).map_err(TestCaseError::fail)
        })
        .unwrap();
}

fn many_steps() {
    let mut runner = TestRunner::new(Config { cases: 8, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(any_table("t"), 6), |tables| {
            inside(|| {
                let mut keeper = Keeper::open("t", Ownership::Shared).unwrap();
                keeper.adopt().unwrap();
                for table in &tables {
                    keeper.set(table.clone()).map_err(|error| error.to_string())?;
                    // The same once more is nothing.
                    keeper.set(table.clone()).map_err(|error| error.to_string())?;
                    equal("an update and a load", &sorted(), &loaded(table))?;
                }
                Ok::<_, String>(())
            })
            .map_err(TestCaseError::fail)
        })
        .unwrap();
}

fn a_difference_is_minimal() {
    let old = everything("t");
    assert!(diff(&old, &old).is_empty());
    let mut new = old.clone();
    new.sets.get_mut("s4").unwrap().elements.insert(vec![programs::ip(77)]);
    new.sets.get_mut("s4").unwrap().elements.remove(&vec![programs::ip(1)]);
    assert_eq!(diff(&old, &new).changes.len(), 2);
    let mut nft_ = Nftables::open().unwrap();
    nft_.load(&old).unwrap();
    nft_.apply(&diff(&old, &new)).unwrap();
    let listed = nft(&["list", "set", "inet", "t", "s4"], "").unwrap();
    assert!(listed.contains("10.0.0.77") && !listed.contains("10.0.0.1,"), "{listed}");
}

/// Sets with a size of as many elements as fit, with maps and base chains that use them: one element more, by either way
/// to change a program, is no error.
fn full_sets_grow() {
    let mut wanted = everything("t");
    wanted.set_sizes();
    let members = |numbers: std::ops::Range<u32>| {
        let address = |number: u32| vec![Value::Ipv4(std::net::Ipv4Addr::from_bits(number))];
        numbers.map(address).collect::<std::collections::BTreeSet<_>>()
    };
    let set: ringfence_dataplane::nft::Name = "s4".into();
    let fill = |table: &mut Table, numbers| table.sets.get_mut(&set).unwrap().elements = members(numbers);
    fill(&mut wanted, 0..64);
    let mut keeper = Keeper::open("t", Ownership::Shared).unwrap();
    keeper.set(wanted.clone()).unwrap();
    // As many others in one step fit.
    fill(&mut wanted, 1_000..1_064);
    keeper.set(wanted.clone()).unwrap();
    assert!(list().contains("size 64"));
    let before = wanted.clone();
    fill(&mut wanted, 1_000..1_065);
    keeper.apply(&diff(&before, &wanted)).unwrap();
    let grown = keeper.current().unwrap().clone();
    assert_eq!(grown.sets[&set].size, Some(256));
    assert_eq!(grown.sets[&set].elements, wanted.sets[&set].elements);
    assert!(!keeper.repair().unwrap());
    // A program that is made anew keeps the size until it is far too large.
    for (length, size) in [(120, 256), (256, 256), (40, 256), (257, 1_024), (129, 1_024), (128, 256)] {
        fill(&mut wanted, 0..length);
        wanted.set_sizes();
        wanted.keep_sizes(keeper.current().unwrap());
        keeper.set(wanted.clone()).unwrap();
        assert_eq!(wanted.sets[&set].size, Some(size), "{length}");
        assert!(!keeper.repair().unwrap());
    }
    // A map that is full, to which base chains lead.
    let map: ringfence_dataplane::nft::Name = "m4".into();
    for (length, size) in [(64, 64), (65, 256)] {
        let mut wanted = everything("t");
        let elements = members(0..length).into_iter().map(|element| (element, Verdict::Accept));
        wanted.maps.get_mut(&map).unwrap().elements = elements.collect();
        wanted.maps.get_mut(&map).unwrap().size = Some(size);
        keeper.set(wanted.clone()).unwrap();
        assert_eq!(sorted(), loaded(&wanted));
    }
    // The check says it before the kernel does.
    wanted.sets.get_mut(&set).unwrap().size = Some(2);
    assert!(keeper.set(wanted).unwrap_err().to_string().contains("room for 2"));
}

fn removal_leaves_nothing() {
    let mut keeper = Keeper::open("t", Ownership::Shared).unwrap();
    keeper.set(everything("t")).unwrap();
    assert!(list().contains("table inet t"));
    keeper.remove().unwrap();
    keeper.remove().unwrap();
    assert_eq!(list(), "");
    Nftables::open().unwrap().apply(&Transaction::remove("t".into())).unwrap();
    assert_eq!(list(), "");
}

fn refused_updates_change_nothing() {
    let mut keeper = Keeper::open("t", Ownership::Shared).unwrap();
    keeper.set(everything("t")).unwrap();
    let before = sorted();
    let mut deep = everything("t");
    for level in 0..20 {
        let rules = vec![programs::rule(vec![programs_jump(level + 1)])];
        deep.chains.insert(format!("deep_{level}").into(), Chain { hook: None, rules });
    }
    deep.chains.insert("deep_20".into(), Chain::default());
    deep.chains.insert(
        "top".into(),
        Chain { hook: programs::hook(HookPoint::Input), rules: vec![programs::rule(vec![programs_jump(0)])] },
    );
    let error = keeper.set(deep.clone()).unwrap_err().to_string();
    assert!(error.contains("deep"), "{error}");
    // The kernel itself says the same of what the check refuses.
    let error = Nftables::open().unwrap().apply(&diff(&everything("t"), &deep)).unwrap_err().to_string();
    assert!(error.contains("more than 16 deep"), "{error}");
    // A refusal names the object.
    let mut bad = everything("t");
    bad.sets.get_mut("i4").unwrap().elements.insert(vec![Value::Ipv4([10, 1, 1, 1].into())]);
    let error = Nftables::open().unwrap().apply(&diff(&everything("t"), &bad)).unwrap_err().to_string();
    assert!(error.contains("`i4`") && error.contains("overlaps"), "{error}");
    assert_eq!(sorted(), before);
}

fn programs_jump(level: usize) -> ringfence_dataplane::nft::Statement {
    ringfence_dataplane::nft::Statement::Verdict(Verdict::Jump(format!("deep_{level}").into()))
}

fn other_tables_stay() {
    nft(&["-f", "-"], "table ip other { chain c { type filter hook input priority 0; counter; }; }\ntable inet t2 { set s { type ipv4_addr; elements = { 1.1.1.1 }; }; }").unwrap();
    let before = list();
    let mut keeper = Keeper::open("t", Ownership::Shared).unwrap();
    keeper.set(everything("t")).unwrap();
    keeper.set(Table::new("t")).unwrap();
    keeper.remove().unwrap();
    assert_eq!(list(), before);
}
