//! From paths to texts. In: files, directories, `-`. Out: inputs by name, sorted within each path, and a diagnostic for
//! everything that could not be read. Bounded: no file above [`MAX_FILE`] is read.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;
use rayon::prelude::*;
use ringfence_manifest::Input;
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::context::Failure;

/// The largest file that is read: 64 MiB.
pub(crate) const MAX_FILE: u64 = 64 << 20;

/// The extensions of the files that are read in directories.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// What was found.
#[derive(Default)]
pub(crate) struct Gathered {
    /// The texts, by the names that people know them by.
    pub(crate) inputs: Vec<Input>,
    /// What could not be read.
    pub(crate) problems: Vec<Diagnostic>,
}

/// What standard input is called.
pub(crate) const STDIN: &str = "<stdin>";

/// Reads a file that is no manifest: settings, a baseline.
///
/// # Errors
/// If it cannot be read, is too large, or is not text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    Ok(Place::File(path.to_owned()).read()?.text)
}

/// Reads paths in the order given. A file that is found twice is read once.
pub(crate) fn gather(paths: &[PathBuf]) -> Gathered {
    let mut found = Found::default();
    for path in paths {
        found.add(path);
    }
    found.read()
}

/// Whether a file in a directory is one that is read there.
pub(crate) fn is_manifest(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// A path as people write it: forward slashes, no `./` that they did not write.
pub(crate) fn name_of(path: &Path) -> String {
    let shown = path.strip_prefix(".").unwrap_or(path).to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' {
        shown.into_owned()
    } else {
        shown.replace(std::path::MAIN_SEPARATOR, "/")
    }
}

/// Says why a text cannot be taken as it is.
pub(crate) fn text_of(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to())
            .filter(|byte| **byte == b'\n')
            .count();
        let message = format!("`{name}` is not UTF-8 text (line {line})");
        Box::new(Diagnostic::error("not-utf-8", Origin::NONE, message).with_help("save the file as UTF-8"))
    })
}

/// A file that is larger than what is read.
pub(crate) fn too_large(name: &str) -> Diagnostic {
    let message = format!("`{name}` is larger than {} MiB", MAX_FILE >> 20);
    Diagnostic::error("too-large", Origin::NONE, message).with_help("split it into several files")
}

/// Where a text comes from.
#[derive(Debug)]
enum Place {
    Stdin,
    File(PathBuf),
}

/// The files to read, before they are read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    places: Vec<Place>,
    seen: BTreeSet<PathBuf>,
    problems: Vec<Diagnostic>,
}

impl Found {
    /// Adds a file, what a directory holds, or `-`.
    pub(crate) fn add(&mut self, path: &Path) {
        if path == Path::new("-") {
            if !self.places.iter().any(|place| matches!(place, Place::Stdin)) {
                self.places.push(Place::Stdin);
            }
            return;
        }
        match path.metadata() {
            Err(error) => self.problems.push(unreadable(path, &error)),
            Ok(facts) if facts.is_dir() => self.add_directory(path),
            Ok(_) => self.add_file(path.to_owned()),
        }
    }

    /// Adds one file, unless it is there already.
    pub(crate) fn add_file(&mut self, path: PathBuf) {
        let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.seen.insert(identity) {
            self.places.push(Place::File(path));
        }
    }

    /// Walks a directory in the order of names. Links are followed; a loop of them ends where it closes.
    fn add_directory(&mut self, directory: &Path) {
        let before = self.places.len();
        let walk = WalkBuilder::new(directory)
            .follow_links(true)
            .ignore(false)
            .sort_by_file_name(std::ffi::OsStr::cmp)
            .build();
        let mut broken = false;
        for entry in walk {
            match entry {
                Ok(entry) => {
                    let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
                    if is_file && is_manifest(entry.path()) {
                        self.add_file(entry.into_path());
                    }
                }
                Err(error) if is_loop(&error) => {}
                Err(error) => {
                    broken = true;
                    let message = format!("cannot read everything in `{}`: {error}", name_of(directory));
                    self.problems.push(Diagnostic::error("unreadable", Origin::NONE, message));
                }
            }
        }
        if self.places.len() == before && !broken && self.places.is_empty() {
            let message = format!("no manifests in `{}`", shown_directory(directory));
            let help = "files named .yaml, .yml and .json are read; hidden and git-ignored ones are not";
            self.problems.push(Diagnostic::error("no-manifests", Origin::NONE, message).with_help(help));
        }
    }

    /// Reads everything, in parallel, and keeps the order.
    pub(crate) fn read(self) -> Gathered {
        let texts: Vec<Result<Input, Failure>> = self.places.par_iter().map(Place::read).collect();
        let mut gathered = Gathered { inputs: Vec::with_capacity(texts.len()), problems: self.problems };
        for text in texts {
            match text {
                Ok(input) => gathered.inputs.push(input),
                Err(problem) => gathered.problems.push(*problem),
            }
        }
        gathered
    }
}

impl Place {
    fn read(&self) -> Result<Input, Failure> {
        let (name, bytes) = match self {
            Self::Stdin => {
                let name = STDIN.to_owned();
                let bytes = bounded(std::io::stdin().lock(), 0, &name, Path::new(STDIN))?;
                (name, bytes)
            }
            Self::File(path) => {
                let name = name_of(path);
                let file = File::open(path).map_err(|error| Box::new(unreadable(path, &error)))?;
                let size = file.metadata().map_or(0, |facts| facts.len());
                if size > MAX_FILE {
                    return Err(Box::new(too_large(&name)));
                }
                let bytes = bounded(file, size, &name, path)?;
                (name, bytes)
            }
        };
        let text = text_of(&name, bytes)?;
        Ok(Input { name, text })
    }
}

/// Reads to the end, but never more than a byte past the limit: pipes and devices do not say how large they are.
fn bounded(from: impl Read, size: u64, name: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    from.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| Box::new(unreadable(path, &error)))?;
    if bytes.len() as u64 > MAX_FILE { Err(Box::new(too_large(name))) } else { Ok(bytes) }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    use std::io::ErrorKind;
    let name = name_of(path);
    let (message, help) = match error.kind() {
        ErrorKind::NotFound => {
            (format!("no such file or directory: `{name}`"), "check the path for a typing error")
        }
        ErrorKind::PermissionDenied => {
            (format!("not allowed to read `{name}`"), "check the file's permissions")
        }
        _ => {
            (format!("cannot read `{name}`: {error}"), "check that the path is a readable file or directory")
        }
    };
    Diagnostic::error("unreadable", Origin::NONE, message).with_help(help)
}

fn shown_directory(directory: &Path) -> String {
    let name = name_of(directory);
    if name.is_empty() { ".".to_owned() } else { name }
}

fn is_loop(error: &ignore::Error) -> bool {
    match error {
        ignore::Error::Loop { .. } => true,
        ignore::Error::WithPath { err, .. }
        | ignore::Error::WithDepth { err, .. }
        | ignore::Error::WithLineNumber { err, .. } => is_loop(err),
        _ => false,
    }
}
