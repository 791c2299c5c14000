//! `lab list`. In: nothing. Out: the labs that run, with their pods.

use ringfence_lab::control::{Directory, labs};

use super::control;
use crate::{
    args::lab::{ListArgs, StreamFormat},
    context::{Context, Failure},
    exit::Exit,
    output,
    report::{layout::pad, words::count},
};

/// Lists them.
pub(super) fn run(args: &ListArgs, context: &Context) -> Result<Exit, Failure> {
    let labs =
        Directory::of_user().and_then(|directory| labs(&directory)).map_err(|error| control(&error))?;
    match args.format {
        StreamFormat::Json => output::plain(|out| {
            for lab in &labs {
                serde_json::to_writer(&mut *out, lab)?;
                writeln!(out)?;
            }
            Ok(())
        })?,
        StreamFormat::Text => output::styled(context, |out| {
            for lab in &labs {
                writeln!(out, "lab {} with {}", lab.pid, count(lab.pods.len(), "pod"))?;
                let width = |of: fn(&ringfence_lab::control::message::PodFacts) -> &str| {
                    lab.pods.iter().map(|pod| of(pod).chars().count()).max().unwrap_or(0)
                };
                let (name, node) = (width(|pod| &pod.name), width(|pod| &pod.node));
                for pod in &lab.pods {
                    let (shown, on) = (pad(&pod.name, name), pad(&pod.node, node));
                    writeln!(out, "  {shown}  {on}  {}", pod.addresses.join(" "))?;
                }
            }
            if labs.is_empty() {
                writeln!(out, "no lab runs: start one with `ringfence lab PATH... --shell`")?;
            }
            Ok(())
        })?,
    }
    Ok(Exit::Fine)
}
