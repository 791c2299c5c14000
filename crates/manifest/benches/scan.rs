//! How fast manifests are scanned on one core: the whole reader, and the general parser alone.
//!
//! The texts are made like real ones: policies and workloads as a team writes them, pods as `kubectl get` prints them in a
//! `List`, with managed fields and status, as YAML and as JSON.

use std::{fmt::Write as _, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringfence_manifest::{
    document,
    parse::{ParseError, parse, parse_general},
    scalar::Scalar,
    tree::{Kind, Node},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn repeat(template: &str, count: usize) -> String {
    let one = |i: usize| template.replace("@N", &i.to_string()).replace("@S", &(i % 50).to_string());
    (0..count).map(one).collect()
}

fn pod_list(count: usize) -> String {
    let pods = repeat(include_str!("texts/pod.yaml"), count);
    format!("apiVersion: v1\nitems:\n{pods}kind: List\nmetadata:\n  resourceVersion: \"\"\n")
}

/// The tree as JSON, indented as `kubectl` does.
fn json(node: &Node<'_>, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", depth));
    };
    match &node.kind {
        Kind::Seq(items) if items.is_empty() => out.push_str("[]"),
        Kind::Map(entries) if entries.is_empty() => out.push_str("{}"),
        Kind::Seq(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                line(depth + 1, out);
                json(item, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        Kind::Map(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                line(depth + 1, out);
                let _ = write!(out, "{:?}: ", key.text().unwrap_or_default());
                json(value, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        Kind::Scalar { .. } => {
            let _ = match node.scalar() {
                Some(Scalar::Bool(value)) => write!(out, "{value}"),
                Some(Scalar::Int(value)) => write!(out, "{value}"),
                Some(Scalar::Float(value)) => write!(out, "{value}"),
                Some(Scalar::Str(text)) => write!(out, "{text:?}"),
                Some(Scalar::Null) | None => write!(out, "null"),
            };
        }
    }
}

type Parse = for<'a> fn(&'a str, u32) -> Result<Option<Node<'a>>, ParseError>;

fn scan(text: &str, parse: Parse) -> usize {
    document::split(text).iter().filter(|doc| matches!(parse(doc.text, doc.span.start), Ok(Some(_)))).count()
}

fn benchmarks(criterion: &mut Criterion) {
    let pods = pod_list(1000);
    let mut pods_json = String::new();
    if let Ok(Some(tree)) = parse(&pods, 0) {
        json(&tree, 0, &mut pods_json);
    }
    let texts = [
        ("policies, 220 kB", repeat(include_str!("texts/policy.yaml"), 260)),
        ("policies", repeat(include_str!("texts/policy.yaml"), 5000)),
        ("deployments", repeat(include_str!("texts/deployment.yaml"), 2000)),
        ("pod list", pods),
        ("pod list, JSON", pods_json),
    ];
    for (name, text) in &texts {
        let mut group = criterion.benchmark_group(*name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("split", |bencher| bencher.iter(|| document::split(black_box(text)).len()));
        group.bench_function("reader", |bencher| bencher.iter(|| scan(black_box(text), parse)));
        group.bench_function("general parser", |bencher| {
            bencher.iter(|| scan(black_box(text), parse_general));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(3));
    targets = benchmarks
}
criterion_main!(benches);
