//! The README keeps its word. In: README.md. Out: the commands in it that start with `cargo run`, each of which must end
//! well, or with the exit code that its comment states: `# exit code 1: ...`.

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
        if !commands.iter().any(|(command, _)| *command == wanted) {
            bail!("README.md must have a block of `sh` with `{wanted}`");
        }
    }
    for (command, code) in commands.into_iter().filter(|(command, _)| command.starts_with("cargo run ")) {
        println!("$ {command}");
        let arguments = command.split_whitespace().skip(1);
        run::go_to(run::cargo().args(arguments), code).context("a command of README.md")?;
    }
    Ok(())
}

/// The lines of all blocks of `sh` without their comments, each with the exit code that is to be expected.
fn commands(text: &str) -> Vec<(&str, i32)> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
            let stated = comment
                .trim()
                .strip_prefix("exit code ")
                .map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default());
            let code = stated.and_then(|digits| digits.parse().ok()).unwrap_or(0);
            if !command.trim().is_empty() {
                commands.push((command.trim(), code));
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
        let text =
            "cargo no\n```sh\ncargo a -- b   # why\n\nc # exit code 1: found\n```\n```yaml\nd: 1\n```\n";
        assert_eq!(commands(text), [("cargo a -- b", 0), ("c", 1)]);
    }
}
