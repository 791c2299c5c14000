//! What holds for a run of `check`. In: the command line, and a settings file, found or named. Out: settings; what the
//! command line says wins.

use std::path::{Path, PathBuf};

use ringfence_lint::{Settings, settings::Base};

use crate::{
    args::check::CheckArgs,
    context::{Context, Failure},
    input,
    path::{absolute, relative},
};

/// The name of a settings file.
const NAME: &str = "ringfence.toml";

/// What marks the root of a repository.
const REPOSITORY: &str = ".git";

/// The settings of a run; none if the settings file has mistakes, which have been printed.
///
/// # Errors
/// If the settings file cannot be read.
pub(super) fn read(args: &CheckArgs, context: &Context) -> Result<Option<Settings>, Failure> {
    let working = absolute(Path::new("."));
    let file = match &args.config {
        Some(path) => Some(path.clone()),
        None if args.no_config => None,
        None => {
            args.input.paths.first().and_then(|path| find(path)).map(|path| relative(&path, &working).into())
        }
    };
    let mut settings = match &file {
        None => Settings::default(),
        Some(path) => {
            let text = input::read_text(path)?;
            match Settings::parse(&input::name_of(path), &text) {
                Ok(settings) => Settings { base: base(path, working), ..settings },
                Err((mistakes, sources)) => {
                    context.show(&mistakes, &sources);
                    return Ok(None);
                }
            }
        }
    };
    override_by(&mut settings, args);
    Ok(Some(settings))
}

fn base(file: &Path, working: PathBuf) -> Option<Base> {
    let file = absolute(file);
    Some(Base { settings: file.parent()?.to_owned(), working })
}

/// The first settings file in a path's directory or above it, no further than the root of the repository.
fn find(path: &Path) -> Option<PathBuf> {
    let path = if path == Path::new("-") { Path::new(".") } else { path };
    let path = absolute(path);
    for directory in path.ancestors() {
        let file = directory.join(NAME);
        if file.is_file() {
            return Some(file);
        }
        if directory.join(REPOSITORY).exists() {
            return None;
        }
    }
    None
}

/// What the command line says, instead of what the file says.
fn override_by(settings: &mut Settings, args: &CheckArgs) {
    if !args.select.is_empty() {
        settings.select.clone_from(&args.select);
        settings.extend_select.clear();
        settings.ignore.clear();
    }
    settings.extend_select.extend(args.extend_select.iter().cloned());
    settings.ignore.extend(args.ignore.iter().cloned());
    let (stated, cluster) = (&args.input.load, &mut settings.cluster);
    if stated.namespace.is_some() {
        cluster.namespace.clone_from(&stated.namespace);
    }
    if stated.profile.is_some() {
        cluster.profile = stated.profile;
    }
    if !stated.pod_cidr.is_empty() {
        cluster.pod_cidrs.clone_from(&stated.pod_cidr);
    }
    if !stated.service_cidr.is_empty() {
        cluster.service_cidrs.clone_from(&stated.service_cidr);
    }
}
