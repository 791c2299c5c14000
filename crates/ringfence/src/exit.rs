//! The exit codes, which scripts rely on (docs/exit-codes.md). In: how a command ended. Out: a process exit code.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Everything is as it should be.
    Fine,
    /// The command found what it looks for: a failed test, a difference.
    Finding,
    /// Wrong usage, or some input could not be used. What could be used was answered all the same.
    Unusable,
    /// As another program ended that was run on the user's behalf.
    Of(u8),
}

impl Exit {
    /// The exit of a command whose input was read with or without errors: an error outweighs a finding, because the
    /// answer may be about less than was asked for.
    pub(crate) fn after(self, input_failed: bool) -> Self {
        if input_failed { Self::Unusable } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Finding => 1,
            Exit::Unusable => 2,
            Exit::Of(code) => code,
        })
    }
}

/// The exit codes as `--help` shows them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  fine: no failed test, no difference
  1  a real finding: a test failed, a connection differs
  2  wrong usage, or some input could not be read; whatever could be read is still answered";
