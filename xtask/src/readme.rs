//! The README keeps its word. In: README.md. Out: the commands in it that start with `cargo run`, each of which must end
//! well.

use anyhow::{Context as _, Result, bail};

use crate::run;

/// The command that the README must have: it runs the main job on the example.
const MAIN_JOB: &str = "cargo run --release -- lab examples/shop";
/// The command that the README must have: it runs the tests.
const TESTS: &str = "cargo xtask test";

/// Runs the commands of the README.
///
/// # Errors
/// If one is missing or fails.
pub(crate) fn run() -> Result<()> {
    let path = run::root().join("README.md");
    let text = std::fs::read_to_string(path).context("cannot read README.md")?;
    let commands = commands(&text);
    for wanted in [MAIN_JOB, TESTS] {
        if !commands.contains(&wanted) {
            bail!("README.md must have a block of `sh` with `{wanted}`");
        }
    }
    for command in commands.into_iter().filter(|command| command.starts_with("cargo run ")) {
        println!("$ {command}");
        let arguments = command.split_whitespace().skip(1);
        run::go(run::cargo().args(arguments)).context("a command of README.md")?;
    }
    Ok(())
}

/// The lines of all blocks of `sh`, without their comments.
fn commands(text: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let command = line.split(" # ").next().unwrap_or(line).trim();
            if !command.is_empty() {
                commands.push(command);
            }
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_the_lines_of_shell_blocks() {
        let text = "cargo no\n```sh\ncargo a -- b   # why\n\nc\n```\n```yaml\nd: 1\n```\n";
        assert_eq!(commands(text), ["cargo a -- b", "c"]);
    }
}
