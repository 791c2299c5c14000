//! `connections`. In: manifests and filters. Out: who can connect to whom, on which ports.

use ringfence_analysis::connections::{
    By, Listing, Map, View,
    ends::{EndFilter, Ends},
    entries,
    permits::Ports,
};
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::{
    args::connections::{ConnectionsArgs, Format},
    commands::ports::PortFilter,
    context::{Context, Failure},
    exit::Exit,
    load::load,
    output,
    report::connections::{self, Report},
};

/// Prints the connections.
pub(crate) fn run(args: &ConnectionsArgs, context: &Context) -> Result<Exit, Failure> {
    let loaded = load(&args.input.paths, &args.input.load, context)?;
    let by = if args.pods { By::Pod } else { By::Workload };
    let map = Map::new(&loaded.compiled, by);
    let view = View {
        from: ends(&args.from, "--from", &map)?,
        to: ends(&args.to, "--to", &map)?,
        ports: ports(&args.port),
        external: args.external,
        denied: args.denied,
        own: args.own,
    };
    let unfiltered = args.from.is_empty() && args.to.is_empty() && args.port.is_empty() && !args.denied;
    let entries = if unfiltered { entries::entries(&map) } else { Vec::new() };
    let report = Report { listing: Listing { map, view }, by, entries };
    let write = |out: &mut dyn std::io::Write| connections::write(&report, args.format, out);
    if args.format == Format::Text {
        output::styled(context, write)?;
    } else {
        output::plain(write)?;
    }
    Ok(Exit::Fine.after(loaded.failed))
}

fn ends(texts: &[String], option: &str, map: &Map<'_>) -> Result<Ends, Failure> {
    let filters: Vec<EndFilter> = texts.iter().map(|text| EndFilter::parse(text)).collect();
    Ends::selected(&filters, map).map_err(|at| {
        let text = texts.get(at).map_or("", String::as_str);
        let failure = Diagnostic::error(
            "no-such-end",
            Origin::NONE,
            format!("{option} `{text}` is no workload or pod of the input"),
        );
        Box::new(match nearest(text, map) {
            Some(name) => failure.with_help(format!("did you mean `{name}`?")),
            None => failure.with_help(
                "write `namespace/workload`, with `*` for any run of characters, an address, or `external`",
            ),
        })
    })
}

/// The name that is most like a text.
fn nearest(text: &str, map: &Map<'_>) -> Option<String> {
    const LIKE_ENOUGH: f64 = 0.7;
    let names = map.units().iter().map(|unit| unit.name(map.cluster()));
    let likeness = |name: &str| {
        let short = name.split_once('/').map_or(name, |(_, short)| short);
        strsim::jaro_winkler(name, text).max(strsim::jaro_winkler(short, text))
    };
    let names = names.map(|name| (likeness(&name), name)).filter(|(likeness, _)| *likeness >= LIKE_ENOUGH);
    names.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

fn ports(filters: &[PortFilter]) -> Option<Ports> {
    let mut ports = Ports::default();
    for filter in filters {
        ports.add(filter.protocol, &filter.ports);
    }
    (!filters.is_empty()).then_some(ports)
}
