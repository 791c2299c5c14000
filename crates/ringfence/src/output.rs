//! Standard output. In: a function that writes. Out: the exit code it asked for, unless writing failed. A reader who
//! has seen enough (`| head`) is no failure.

use std::io::{self, BufWriter, ErrorKind, Write};

use anstream::AutoStream;
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};

use crate::context::{Context, Failure};

/// Bytes gathered before they are handed to the system.
const BUFFER: usize = 1 << 18;

/// Writes text that may hold terminal styles; they are left out where the user or the terminal does not want them.
pub(crate) fn styled(
    context: &Context,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(BUFFER, AutoStream::new(io::stdout().lock(), context.color));
    finish(write(&mut out).and_then(|()| out.flush()))
}

/// Writes bytes as they are: a format for machines.
pub(crate) fn plain(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    finish(write(&mut out).and_then(|()| out.flush()))
}

fn finish(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Box::new(
            Diagnostic::error("write", Origin::NONE, format!("cannot write to standard output: {error}"))
                .with_help("check the disk that the output goes to"),
        )),
        _ => Ok(()),
    }
}
