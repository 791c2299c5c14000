//! A lab that stays up. In: a lab that was tried. Out: its socket is answered until a signal ends it; with `--watch` every change
//! of the manifests is applied, and what it opens and cuts is printed.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use ringfence_lab::{
    control::{Board, Directory, Server},
    run::Running,
};
use ringfence_manifest::Input;
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{Progress, control, failure};
use crate::{
    args::lab::LabArgs,
    commands::test,
    context::{Context, Failure},
    input, load, output,
    report::lab::changes::Found,
};

/// How often signals and manifests are looked at.
const BEAT: Duration = Duration::from_millis(200);

/// More changes than this are counted.
const MOST_CHANGES: usize = 50;

/// What a lab that stays up needs.
pub(super) struct Staying<'a> {
    pub(super) args: &'a LabArgs,
    pub(super) context: &'a Context,
    pub(super) board: &'a Board,
    pub(super) progress: &'a Progress,
    /// What packets found last.
    pub(super) found: Found,
}

impl Staying<'_> {
    /// Stays up until a signal comes.
    pub(super) fn stay(mut self, mut running: Running, directory: &Directory) -> Result<(), Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|cause| {
                Box::new(Diagnostic::error("lab", Origin::NONE, format!("cannot wait for signals: {cause}")))
            })?;
        }
        running.answer_dns().map_err(|error| failure(&error))?;
        let server = Server::start(directory, self.board).map_err(|error| control(&error))?;
        let watched = if self.args.watch { ", changes of the manifests are applied" } else { "" };
        self.progress.say(&format!(
            "the lab stays up as process {}{watched}: `ringfence lab exec POD -- COMMAND`, `ringfence lab flows -f`; Ctrl-C ends it",
            process::id()
        ));
        let mut texts = self.args.watch.then(|| self.read());
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(BEAT);
            let Some(before) = &texts else { continue };
            let now = self.read();
            if same(before, &now) {
                continue;
            }
            self.apply(now.clone(), &mut running)?;
            texts = Some(now);
        }
        drop(server);
        Ok(())
    }

    fn read(&self) -> Vec<Input> {
        let mut gathered = input::gather(&self.args.paths);
        if let Some(matrix) = &self.args.test {
            test::leave_out(&mut gathered, matrix);
        }
        gathered.inputs
    }

    /// Applies a change and tries everything again. A state that cannot be read changes nothing.
    fn apply(&mut self, inputs: Vec<Input>, running: &mut Running) -> Result<(), Failure> {
        let start = Instant::now();
        let gathered = input::Gathered { inputs, problems: Vec::new() };
        let loaded = match load::from_gathered(gathered, &self.args.load, self.context) {
            Ok(loaded) => loaded,
            Err(problem) => {
                self.context.show_failure(&problem);
                return Ok(());
            }
        };
        let changed = running.update(loaded.compiled.cluster()).map_err(|error| failure(&error))?;
        self.board.show(running.lab(), running.listener_names());
        let applied = start.elapsed();
        let (came, went) = (changed.added.len(), changed.removed.len());
        self.progress.say(&format!("applied in {} ms: {came} pods came, {went} went", applied.as_millis()));
        let trials = running.trials(&running.scope());
        let outcomes = running.run(trials, &|at| self.progress.tell(at)).map_err(|error| failure(&error))?;
        self.progress.finish();
        let now = Found::of(&outcomes, running.lab().cluster());
        let changes = now.since(&self.found);
        self.found = now;
        let differ = outcomes.disagreements().count();
        output::styled(self.context, |out| {
            for change in changes.iter().take(MOST_CHANGES) {
                let (style, word) = if change.opened {
                    (AnsiColor::Green.on_default(), "opened")
                } else {
                    (AnsiColor::Red.on_default(), "cut   ")
                };
                writeln!(out, "  {style}{word}{style:#}  {}", change.text)?;
            }
            let rest = changes.len().saturating_sub(MOST_CHANGES);
            if rest > 0 {
                writeln!(out, "  and {rest} more")?;
            }
            if changes.is_empty() {
                writeln!(out, "  nothing opened, nothing cut")?;
            }
            if differ > 0 {
                let bold = Style::new().bold();
                writeln!(out, "  {bold}kernel and engine disagree on {differ} probes{bold:#}")?;
            }
            Ok(())
        })
    }
}

fn same(before: &[Input], now: &[Input]) -> bool {
    before.len() == now.len()
        && before.iter().zip(now).all(|(before, now)| before.name == now.name && before.text == now.text)
}
