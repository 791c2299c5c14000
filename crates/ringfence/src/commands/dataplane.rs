//! `dataplane`. In: manifests and a node's name. Out: the program that enforces the policies there, as text that `nft -f` takes
//! or as JSON, with what it closes for want of a proxy or a fact; and what the kernel here can do.

use std::io::{self, Write};

use ringfence_dataplane::{
    compile::{Logs, Program, compile},
    features::Features,
    prefix::RuleId,
    text,
};
use ringfence_lab::{plan::plan, run::words};
use ringfence_model::{
    cluster::Cluster,
    diagnostic::Diagnostic,
    origin::{Origin, Sources},
};
use ringfence_policy::Compiled;
use serde::Serialize;

use crate::{
    args::dataplane::{Action, DataplaneArgs, Format, ShowArgs},
    commands::lab,
    context::{Context, Failure},
    exit::Exit,
    load::load,
    output,
};

/// Shows a program.
pub(crate) fn run(args: &DataplaneArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.action {
        Action::Show(args) => show(args, context),
        Action::Features => features(),
    }
}

/// Tries the kernel's features in a network namespace of its own, so that the machine's ruleset is not touched.
fn features() -> Result<Exit, Failure> {
    lab::enter()?;
    let features = Features::probe().map_err(|error| {
        Box::new(
            Diagnostic::error("features", Origin::NONE, error.to_string())
                .with_help("the kernel needs nf_tables: load the module `nf_tables`"),
        )
    })?;
    output::plain(|out| write!(out, "{features}"))?;
    Ok(if features.fatal().next().is_some() { Exit::Finding } else { Exit::Fine })
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let loaded = load(&args.input.paths, &args.input.load, context)?;
    let settings = lab::settings(args.build, None);
    // Nodes and addresses that the manifests do not show are those that a lab would have.
    let topology = plan(loaded.compiled.cluster(), &settings.plan)
        .map_err(|error| Box::new(Diagnostic::error("plan", Origin::NONE, error.to_string())))?;
    let node = node(&args.node, &topology.cluster)?;
    let audited =
        topology.cluster.has_audit_policies().then(|| Compiled::with_audit(topology.cluster.clone()));
    let compiled = Compiled::new(topology.cluster);
    let program = compile(&compiled, audited.as_ref(), node.as_str(), &settings.program);
    let sources = &compiled.cluster().sources;
    match args.format {
        Format::Text => output::plain(|out| write_text(&node, &program, sources, out))?,
        Format::Json => output::plain(|out| write_json(&node, &program, sources, out))?,
    }
    Ok(Exit::Fine.after(loaded.failed))
}

/// The full name of a node.
fn node(name: &str, cluster: &Cluster) -> Result<String, Failure> {
    if let Some(node) = cluster.node(name) {
        return Ok(node.name.to_string());
    }
    let names: Vec<&str> = cluster.nodes.iter().map(|node| &*node.name).collect();
    let failure = Diagnostic::error("no-such-node", Origin::NONE, format!("there is no node `{name}`"))
        .with_help(format!("the nodes are {}", names.join(", ")));
    Err(Box::new(failure))
}

fn notes(program: &Program) -> Vec<String> {
    program.notes.iter().map(words::note).collect()
}

fn write_text(node: &str, program: &Program, sources: &Sources, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", text::render(&program.table))?;
    let counts = program.counts();
    writeln!(
        out,
        "# node {node}: {} sets, {} maps, {} chains, {} rules, {} elements",
        counts.sets, counts.maps, counts.chains, counts.rules, counts.elements
    )?;
    for rule in rules(program, sources) {
        let places = rule.places.join(" ");
        writeln!(out, "# {} {} {}: {} {places}", rule.verdict, rule.direction, rule.id, rule.decided)?;
    }
    for note in notes(program) {
        writeln!(out, "# {}", note.replace('\n', " "))?;
    }
    Ok(())
}

/// A number in the log, with what it stands for.
#[derive(Serialize)]
struct RuleJson {
    id: String,
    verdict: &'static str,
    direction: &'static str,
    decided: String,
    places: Vec<String>,
}

fn rules(program: &Program, sources: &Sources) -> Vec<RuleJson> {
    let rule = |(id, logs): (&RuleId, &Logs)| {
        let (decided, places) = words::decided(&logs.reasons, sources);
        let decided = if decided.is_empty() { logs.name.clone() } else { decided };
        RuleJson {
            id: format!("{:08x}", id.0),
            verdict: logs.logged.as_str(),
            direction: logs.direction.as_str(),
            decided,
            places,
        }
    };
    program.rules.iter().map(rule).collect()
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    node: &'a str,
    table: &'a str,
    sets: usize,
    maps: usize,
    chains: usize,
    rules: usize,
    elements: usize,
    /// What `nft -f` takes.
    program: String,
    /// What the numbers in log prefixes and names of chains stand for.
    decisions: Vec<RuleJson>,
    notes: Vec<String>,
}

fn write_json(node: &str, program: &Program, sources: &Sources, out: &mut dyn Write) -> io::Result<()> {
    let counts = program.counts();
    let document = Document {
        version: 1,
        node,
        table: &program.table.name,
        sets: counts.sets,
        maps: counts.maps,
        chains: counts.chains,
        rules: counts.rules,
        elements: counts.elements,
        program: text::render(&program.table),
        decisions: rules(program, sources),
        notes: notes(program),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
