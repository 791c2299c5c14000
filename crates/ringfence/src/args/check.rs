//! What `check` takes. In: arguments. Out: plain values.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ringfence_lint::{Severity, rules};

use super::InputArgs;

/// Arguments of `check`.
#[derive(Args, Debug)]
#[command(after_help = EXIT)]
pub(crate) struct CheckArgs {
    /// The cluster.
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Run these rules only, whatever the settings file selects or ignores: codes, beginnings of codes (`RF3`) or names,
    /// separated by commas, or `ALL`
    #[arg(long, value_name = "RULES", value_delimiter = ',', value_parser = rule_word, help_heading = RULES)]
    pub(crate) select: Vec<String>,
    /// Run these rules too: how rules are turned on that only run when selected
    #[arg(long, value_name = "RULES", value_delimiter = ',', value_parser = rule_word, help_heading = RULES)]
    pub(crate) extend_select: Vec<String>,
    /// Do not run these rules; where a rule is both selected and ignored, the longer word wins
    #[arg(long, value_name = "RULES", value_delimiter = ',', value_parser = rule_word, help_heading = RULES)]
    pub(crate) ignore: Vec<String>,
    /// The settings file; without this option the first `ringfence.toml` in the directory of the first PATH or above it,
    /// up to the root of the repository
    #[arg(long, value_name = "FILE", help_heading = RULES)]
    pub(crate) config: Option<PathBuf>,
    /// Read no settings file
    #[arg(long, conflicts_with = "config", help_heading = RULES)]
    pub(crate) no_config: bool,
    /// Findings from this severity on are a failure (exit code 1)
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t, help_heading = RULES)]
    pub(crate) severity: Level,
    /// Let the findings in this baseline file be
    #[arg(long, value_name = "FILE", help_heading = BASELINE)]
    pub(crate) baseline: Option<PathBuf>,
    /// Write all findings to a baseline file, and let them be
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "fix"], help_heading = BASELINE)]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Make the repairs that the engine can confirm; what is reported is what is left
    #[arg(long, help_heading = FIX)]
    pub(crate) fix: bool,
    /// Show what --fix would change, as a diff, and change nothing
    #[arg(long, requires = "fix", conflicts_with = "format", help_heading = FIX)]
    pub(crate) diff: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
}

/// Output formats of `check`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// JSON, version 1
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Annotations for GitHub Actions
    Github,
    /// JUnit XML
    Junit,
    /// A Markdown table with details
    Md,
}

/// A severity on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Info,
    Warning,
    #[default]
    Error,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
        }
    }
}

/// A word that must name some rule.
fn rule_word(word: &str) -> Result<String, String> {
    let word = word.trim();
    if word.is_empty() {
        return Err("a rule is missing: give rules separated by commas".to_owned());
    }
    if rules::all().iter().any(|rule| rule.is_named_by(word)) {
        return Ok(word.to_owned());
    }
    let near = crate::commands::rule::near(word);
    Err(format!("no rule is called `{word}`; {near}"))
}

const RULES: &str = "Rules";
const BASELINE: &str = "Baseline";
const FIX: &str = "Repairs";

const EXIT: &str = "\
Exit codes:
  0  no finding at error level (or at the level of --severity)
  1  some findings are
  2  wrong usage, settings with a mistake, or input that cannot be read; whatever could be read is still checked";
