//! Development tasks, run as `cargo xtask TASK`. In: a task's name. Out: what it prints, and whether it went well.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tasks talk to the person who runs them")]

mod differential;
mod docs;
mod fuzz;
mod generate;
mod kernel;
mod measure;
mod readme;
mod run;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of ringfence
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up what the tests need, and run all of them
    Test(test::Args),
    /// Write a realistic cluster as manifests
    GenerateCluster(generate::Args),
    /// Compare the two judges on random clusters and flows
    Differential(differential::Args),
    /// Fuzz the parsers
    Fuzz(fuzz::Args),
    /// Measure whole processes: time and memory
    Measure(measure::Args),
    /// Write the generated documents anew
    Docs(docs::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(args) => test::run(&args),
        Task::GenerateCluster(args) => generate::run(&args),
        Task::Differential(args) => differential::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Measure(args) => measure::run(&args),
        Task::Docs(args) => docs::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
