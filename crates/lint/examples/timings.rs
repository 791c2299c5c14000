//! How long each rule takes. In: directories of manifests. Out: milliseconds for the reading, for what rules share, and for
//! every rule, each run alone after those before it.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Instant,
};

use ringfence_lint::{Context, Input, Settings, check, rules};
use ringfence_manifest as manifest;

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut paths = Vec::new();
    for directory in env::args().skip(1) {
        gather(Path::new(&directory), &mut paths)?;
    }
    paths.sort();
    let mut texts = Vec::new();
    for path in &paths {
        texts.push(manifest::Input { name: path.display().to_string(), text: fs::read_to_string(path)? });
    }
    let settings = Settings::default();
    let start = Instant::now();
    let mut lap = {
        let mut last = start;
        move || {
            let before = std::mem::replace(&mut last, Instant::now());
            before.elapsed().as_secs_f64() * 1e3
        }
    };
    let input = Input::read(texts, &settings);
    writeln!(out, "{:9.1}  read", lap())?;
    let context = Context::new(&input, &settings);
    writeln!(out, "{:9.1}  context", lap())?;
    context.groups();
    writeln!(out, "{:9.1}  groups", lap())?;
    context.reach();
    writeln!(out, "{:9.1}  reach", lap())?;
    context.facts();
    writeln!(out, "{:9.1}  facts", lap())?;
    context.effects();
    writeln!(out, "{:9.1}  effects", lap())?;
    for rule in rules::all() {
        let found = rule.findings(&context).len();
        writeln!(out, "{:9.1}  {} {} ({found})", lap(), rule.code, rule.name)?;
    }
    let checked = check(&input, &settings);
    writeln!(out, "{:9.1}  all, from nothing ({})", lap(), checked.findings.len())
}

fn gather(path: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        gather(&entry?.path(), into)?;
    }
    Ok(())
}
