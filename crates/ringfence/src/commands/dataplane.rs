//! `dataplane`. In: manifests and a node's name. Out: the program that enforces the policies there, as text that `nft -f` takes
//! or as JSON, with what it closes for want of a proxy or a fact.

use std::io::{self, Write};

use ringfence_dataplane::{
    compile::{Program, compile},
    text,
};
use ringfence_lab::{plan::plan, run::words};
use ringfence_model::{cluster::Cluster, diagnostic::Diagnostic, origin::Origin};
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
    }
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let loaded = load(&args.input.paths, &args.input.load, context)?;
    let settings = lab::settings(args.build, None);
    // Nodes and addresses that the manifests do not show are those that a lab would have.
    let topology = plan(loaded.compiled.cluster(), &settings.plan)
        .map_err(|error| Box::new(Diagnostic::error("plan", Origin::NONE, error.to_string())))?;
    let node = node(&args.node, &topology.cluster)?;
    let audited =
        lab::has_audit_policies(&topology.cluster).then(|| Compiled::with_audit(topology.cluster.clone()));
    let compiled = Compiled::new(topology.cluster);
    let program = compile(&compiled, audited.as_ref(), node.as_str(), &settings.program);
    match args.format {
        Format::Text => output::plain(|out| write_text(&node, &program, out))?,
        Format::Json => output::plain(|out| write_json(&node, &program, out))?,
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

fn write_text(node: &str, program: &Program, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", text::render(&program.table))?;
    let counts = program.counts();
    writeln!(
        out,
        "# node {node}: {} sets, {} maps, {} chains, {} rules, {} elements",
        counts.sets, counts.maps, counts.chains, counts.rules, counts.elements
    )?;
    for note in notes(program) {
        writeln!(out, "# {}", note.replace('\n', " "))?;
    }
    Ok(())
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
    notes: Vec<String>,
}

fn write_json(node: &str, program: &Program, out: &mut dyn Write) -> io::Result<()> {
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
        notes: notes(program),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
