//! The ringfence binary. In: the command line. Out: the exit code. Everything else is in the library beside it, so
//! that tests and generated documents can use it.

use std::process::ExitCode;

/// Parsing and compiling allocate a lot of small values; this allocator makes that about twice as fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ringfence::run(std::env::args_os())
}
