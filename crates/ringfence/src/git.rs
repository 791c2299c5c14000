//! The tree of a git revision as an input, through the `git` program. In: a revision and paths. Out: the manifests
//! that the paths held in that revision, named `REV:path`.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ringfence_manifest::Input;
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::{
    context::Failure,
    input::{Found, Gathered, MAX_FILE, is_manifest, name_of, text_of, too_large},
};

/// Both states of some paths: in a revision, and in the work tree.
pub(crate) struct Both {
    /// In the revision.
    pub(crate) old: Gathered,
    /// In the work tree.
    pub(crate) new: Gathered,
}

/// Reads both states of the paths. A file that git tracks is part of the work tree even if it is git-ignored, so that
/// no difference comes of that.
///
/// # Errors
/// If git cannot be run, or does not know the revision.
pub(crate) fn both(revision: &str, paths: &[PathBuf]) -> Result<Both, Failure> {
    let mut old = Gathered::default();
    let mut found = Found::default();
    for path in paths {
        if path == Path::new("-") {
            return Err(failure(
                "standard input has no git revision".to_owned(),
                "give files or directories",
            ));
        }
        let listed = Listing::of(revision, path)?;
        // A path that only one of the two has is not a mistake: it came, or it was deleted.
        if path.exists() {
            found.add(path);
        } else if listed.blobs.is_empty() {
            let message =
                format!("no such file or directory: `{}`, neither now nor in `{revision}`", name_of(path));
            return Err(failure(message, "check the path for a typing error"));
        }
        for blob in &listed.blobs {
            if blob.path.is_file() {
                found.add_file(blob.path.clone());
            }
        }
        listed.read(revision, &mut old)?;
    }
    Ok(Both { old, new: found.read() })
}

/// A file of a revision.
struct Blob {
    object: String,
    size: u64,
    path: PathBuf,
}

/// The manifests that one path holds in a revision.
struct Listing {
    directory: PathBuf,
    blobs: Vec<Blob>,
}

impl Listing {
    fn of(revision: &str, path: &Path) -> Result<Self, Failure> {
        // git runs in the nearest directory that still exists; the rest of the path is looked up in the revision.
        let directory = path.ancestors().find(|ancestor| ancestor.is_dir()).map_or_else(
            || if path.is_absolute() { PathBuf::from("/") } else { PathBuf::from(".") },
            |known| if known.as_os_str().is_empty() { PathBuf::from(".") } else { known.to_owned() },
        );
        let rest = path.strip_prefix(&directory).unwrap_or(path);
        let tree = format!("{revision}^{{tree}}");
        let known = run(
            git(&directory).args(["rev-parse", "--verify", "--quiet", "--end-of-options", &tree]),
            revision,
        )?;
        let tree = String::from_utf8_lossy(&known).trim().to_owned();
        let mut list = git(&directory);
        list.args(["ls-tree", "-r", "-z", "-l", &tree]);
        if !rest.as_os_str().is_empty() {
            list.arg("--").arg(rest);
        }
        let named = rest.extension().is_some() && path.is_file();
        let listed = run(&mut list, revision)?;
        let mut blobs: Vec<Blob> =
            listed.split(|byte| *byte == 0).filter_map(|line| blob(&directory, line)).collect();
        let depth = rest.components().count();
        blobs.retain(|blob| {
            let below = blob.path.strip_prefix(&directory).unwrap_or(&blob.path);
            let hidden = below
                .components()
                .skip(depth)
                .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
            named || below == rest || (!hidden && is_manifest(&blob.path))
        });
        blobs.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { directory, blobs })
    }

    fn read(self, revision: &str, into: &mut Gathered) -> Result<(), Failure> {
        let (wanted, large): (Vec<Blob>, Vec<Blob>) =
            self.blobs.into_iter().partition(|blob| blob.size <= MAX_FILE);
        into.problems.extend(large.iter().map(|blob| too_large(&name(revision, &blob.path))));
        if wanted.is_empty() {
            return Ok(());
        }
        let broken = |error: std::io::Error| failure(format!("cannot read from git: {error}"), "try again");
        let mut child = git(&self.directory)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| no_git(&error))?;
        let objects: String = wanted.iter().map(|blob| format!("{}\n", blob.object)).collect();
        let stdin = child.stdin.take();
        // Written beside reading, so that neither pipe can fill up and block both sides.
        let writer =
            std::thread::spawn(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(objects.as_bytes())));
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            for blob in &wanted {
                let mut header = String::new();
                stdout.read_line(&mut header).map_err(broken)?;
                let size = header.split_whitespace().nth(2).and_then(|size| size.parse::<usize>().ok());
                let Some(size) = size else {
                    let message = format!("git has lost `{}`", name(revision, &blob.path));
                    return Err(failure(message, "check the repository with `git fsck`"));
                };
                let mut bytes = vec![0; size + 1];
                stdout.read_exact(&mut bytes).map_err(broken)?;
                bytes.pop();
                let name = name(revision, &blob.path);
                match text_of(&name, bytes) {
                    Ok(text) => into.inputs.push(Input { name, text }),
                    Err(problem) => into.problems.push(*problem),
                }
            }
        }
        let _ = writer.join();
        child.wait().map_err(broken)?;
        Ok(())
    }
}

/// One line of `git ls-tree -l`: `MODE SP TYPE SP OBJECT SP+ SIZE TAB PATH`. Links and submodules are left out.
fn blob(directory: &Path, line: &[u8]) -> Option<Blob> {
    let line = std::str::from_utf8(line).ok()?;
    let (facts, path) = line.split_once('\t')?;
    let mut facts = facts.split_whitespace();
    let (mode, kind, object, size) = (facts.next()?, facts.next()?, facts.next()?, facts.next()?);
    if kind != "blob" || mode == "120000" {
        return None;
    }
    Some(Blob { object: object.to_owned(), size: size.parse().ok()?, path: directory.join(path) })
}

fn name(revision: &str, path: &Path) -> String {
    format!("{revision}:{}", name_of(path))
}

fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
    command
}

fn run(command: &mut Command, revision: &str) -> Result<Vec<u8>, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| no_git(&error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("fatal: ");
    if said.is_empty() {
        return Err(failure(
            format!("git knows no revision `{revision}`"),
            "name a branch, a tag or a commit",
        ));
    }
    Err(failure(format!("git: {said}"), "run it inside the repository that holds the paths"))
}

fn no_git(error: &std::io::Error) -> Failure {
    failure(format!("cannot run `git`: {error}"), "install git, or compare two directories instead")
}

fn failure(message: String, help: &str) -> Failure {
    Box::new(Diagnostic::error("git", Origin::NONE, message).with_help(help))
}
