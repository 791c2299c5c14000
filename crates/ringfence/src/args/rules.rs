//! What `rule` and `rules` take. In: arguments. Out: plain values.

use clap::{Args, ValueEnum};

/// Arguments of `rule`.
#[derive(Args, Debug)]
pub(crate) struct RuleArgs {
    /// A rule's code or name: `RF503`, `policy-types-omit-rules`
    #[arg(value_name = "RULE")]
    pub(crate) rule: String,
}

/// Arguments of `rules`.
#[derive(Args, Debug)]
pub(crate) struct RulesArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, help_heading = super::GLOBAL)]
    pub(crate) format: Format,
}

/// Output formats of `rules`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// JSON, version 1
    Json,
    /// Markdown tables, as in docs/rules
    Md,
}
