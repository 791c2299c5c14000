//! `lab flows`. In: a lab that runs. Out: what its nodes log, a line for each record.

use std::{
    io::{self, Write},
    time::Duration,
};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use ringfence_lab::control::{
    Directory,
    message::{Answer, FlowEnd, FlowFacts},
    only,
};

use super::control;
use crate::{
    args::lab::{FlowsArgs, StreamFormat},
    context::{Context, Failure},
    exit::Exit,
};

const DIM: Style = Style::new().dimmed();

/// Prints them.
pub(super) fn run(args: &FlowsArgs, context: &Context) -> Result<Exit, Failure> {
    let directory = Directory::of_user().map_err(|error| control(&error))?;
    let mut client = only(&directory, args.lab).map_err(|error| control(&error))?;
    client.flows(args.follow).map_err(|error| control(&error))?;
    let mut out = AutoStream::new(io::stdout().lock(), context.color);
    loop {
        let answer = client.answer().map_err(|error| control(&error))?;
        let written = match (&answer, args.format) {
            (Answer::End, _) => return Ok(Exit::Fine),
            (Answer::Flow(flow), StreamFormat::Text) => text(flow, &mut out),
            (Answer::Flow(flow), StreamFormat::Json) => json(flow, &mut out),
            (Answer::Missed(count), _) => {
                context.show([&missed(*count)], &ringfence_model::origin::Sources::default());
                Ok(())
            }
            _ => Ok(()),
        };
        if written.and_then(|()| out.flush()).is_err() {
            // The reader has seen enough.
            return Ok(Exit::Fine);
        }
    }
}

fn missed(count: u64) -> ringfence_model::diagnostic::Diagnostic {
    let message = format!("{count} records were left out: this terminal did not keep up");
    ringfence_model::diagnostic::Diagnostic::warning("flows", ringfence_model::origin::Origin::NONE, message)
}

fn json(flow: &FlowFacts, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, flow)?;
    writeln!(out)
}

/// `12:34:56.789 denied ingress shop/web -> shop/api:8080/TCP  isolated by NetworkPolicy shop/api a.yaml:3`
fn text(flow: &FlowFacts, out: &mut dyn Write) -> io::Result<()> {
    let style = match flow.verdict.as_str() {
        "allowed" => AnsiColor::Green,
        "denied" => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    }
    .on_default();
    let port = flow.to.port.map(|port| format!(":{port}")).unwrap_or_default();
    let (time, verdict, direction) = (clock(flow.time), &flow.verdict, &flow.direction);
    let (from, to, protocol) = (name(&flow.from), name(&flow.to), &flow.protocol);
    write!(
        out,
        "{DIM}{time}{DIM:#} {style}{verdict:<10}{style:#} {direction:<7} {from} -> {to}{port}/{protocol}"
    )?;
    writeln!(out, "  {} {DIM}{}{DIM:#}", flow.rule, flow.places.join(" "))
}

/// The name; an IPv6 address in brackets, because a port follows.
fn name(end: &FlowEnd) -> String {
    if end.name.contains(':') { format!("[{}]", end.name) } else { end.name.clone() }
}

/// The time of day, in UTC.
fn clock(time: f64) -> String {
    let since = Duration::try_from_secs_f64(time).unwrap_or_default();
    let (day, millis) = (since.as_secs() % 86_400, since.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}", day / 3600, day / 60 % 60, day % 60)
}
