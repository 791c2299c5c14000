//! The linter. In: the manifests of a cluster, and what its users state about it. Out: findings, each with its place, the
//! reason, what to do, and where it can be proved a repair.
//!
//! A rule says what the engine finds to be true of the cluster, not what a manifest looks like. What a rule would have to
//! guess, it does not say.

mod allow;
pub mod baseline;
mod consequences;
mod context;
mod copies;
mod default_deny;
mod exposure;
pub mod facts;
pub mod finding;
pub mod fix;
mod input;
mod intent;
mod naming;
pub mod page;
pub mod rule;
pub mod rules;
mod run;
mod selection;
pub mod settings;
mod superfluous;
mod suppress;
mod walk;
mod wider;

pub use context::Context;
pub use finding::{Claim, Finding, Fix};
pub use input::Input;
pub use rule::{Rule, Severity};
pub use rules::is_unreadable;
pub use run::{Checked, check};
pub use settings::Settings;
pub use suppress::{ANNOTATION, Reason};
