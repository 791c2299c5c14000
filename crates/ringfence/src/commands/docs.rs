//! `docs`. In: the command line's definition, the linter's rules. Out: docs/cli.md and docs/rules, so that the documents
//! cannot lie.

use std::{fmt::Write as _, fs, path::Path};

use clap::{Arg, Command, CommandFactory as _};
use ringfence_lint::{page, rules};
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::{
    args::{Cli, docs::DocsArgs},
    context::Failure,
    exit::Exit,
    input, output,
};

/// A generated document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it is, below docs.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// Every document that is generated, in the order of their paths.
#[must_use]
pub fn documents() -> Vec<Document> {
    let document = |path: &str, text| Document { path: path.to_owned(), text };
    let pages =
        rules::all().into_iter().map(|rule| document(&format!("rules/{}.md", rule.code), page::page(rule)));
    let mut documents = vec![document("cli.md", reference()), document("rules/README.md", page::index())];
    documents.extend(pages);
    documents
}

/// Prints the reference, or writes all documents.
pub(crate) fn run(args: &DocsArgs) -> Result<Exit, Failure> {
    let Some(directory) = &args.into else {
        output::plain(|out| out.write_all(reference().as_bytes()))?;
        return Ok(Exit::Fine);
    };
    for document in documents() {
        let path = directory.join(&document.path);
        let above = path.parent().unwrap_or(directory);
        fs::create_dir_all(above)
            .and_then(|()| fs::write(&path, document.text))
            .map_err(|error| unwritable(&path, &error))?;
    }
    Ok(Exit::Fine)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write `{}`: {error}", input::name_of(path));
    Box::new(
        Diagnostic::error("write", Origin::NONE, message)
            .with_help("check the directory and its permissions"),
    )
}

/// The reference of all commands and options in Markdown: what docs/cli.md holds.
fn reference() -> String {
    let mut program = Cli::command().bin_name("ringfence");
    program.build();
    let mut text = String::from(
        "# The command line\n\nThis page is generated from the program (`ringfence docs`). \
         Exit codes: see [exit-codes.md](exit-codes.md).\n\n",
    );
    let about = program.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(text, "{about}\n\n| Command | What it does |\n|---|---|");
    let shown =
        || program.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for command in shown() {
        let name = command.get_name();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| [`{name}`](#{name}) | {} |", escape(&about));
    }
    for command in shown() {
        section(&mut text, "", command);
    }
    text
}

/// A command, and the commands below it.
fn section(text: &mut String, above: &str, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let name = format!("{above}{}", command.get_name());
    // Further lines of the usage are other ways to call it.
    let usage = usage.lines().map(str::trim).collect::<Vec<_>>().join("\n    ");
    let _ = write!(text, "\n## {name}\n\n{about}.\n\n    {usage}\n\n");
    arguments(text, command);
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        section(text, &format!("{name} "), below);
    }
}

fn arguments(text: &mut String, command: &Command) {
    text.push_str("| Argument | Meaning |\n|---|---|\n");
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    for argument in arguments.filter(|argument| argument.get_id() != "help" && argument.get_id() != "version")
    {
        let _ = writeln!(text, "| `{}` | {} |", heading(argument), escape(&meaning(argument)));
    }
}

/// `-n, --namespace NAME`
fn heading(argument: &Arg) -> String {
    let mut names: Vec<String> = Vec::new();
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let takes_value = argument.get_action().takes_values();
    let value = argument.get_value_names().and_then(|names| names.first()).filter(|_| takes_value);
    let value = value.map(ToString::to_string).unwrap_or_default();
    if names.is_empty() {
        return value;
    }
    if value.is_empty() { names.join(", ") } else { format!("{} {value}", names.join(", ")) }
}

fn meaning(argument: &Arg) -> String {
    let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
    if !argument.get_action().takes_values() {
        return meaning;
    }
    let values: Vec<String> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !values.is_empty() {
        let _ = write!(meaning, ". One of {}", values.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if !defaults.is_empty() {
        let _ = write!(meaning, " (default {})", defaults.join(", "));
    }
    meaning
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
