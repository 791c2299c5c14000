//! `rules`. In: nothing. Out: the list of the linter's rules.

use ringfence_lint::page;

use crate::{
    args::rules::{Format, RulesArgs},
    context::{Context, Failure},
    exit::Exit,
    output,
    report::rules,
};

/// Prints the list.
pub(crate) fn run(args: &RulesArgs, context: &Context) -> Result<Exit, Failure> {
    match args.format {
        Format::Text => output::styled(context, |out| rules::text(out))?,
        Format::Json => output::plain(|out| rules::json(out))?,
        Format::Md => output::plain(|out| out.write_all(page::index().as_bytes()))?,
    }
    Ok(Exit::Fine)
}
