//! `lab exec`. In: a pod of a lab that runs, a command. Out: the command running there, for as long as the lab does; what it
//! exits with.

use std::{
    ffi::OsString,
    io::{self, ErrorKind, Read as _},
    os::unix::{net::UnixStream, process::ExitStatusExt as _},
    process::{Child, Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ringfence_lab::{
    control::{Directory, Entered, only},
    exec,
};
use ringfence_model::{diagnostic::Diagnostic, origin::Origin};
use signal_hook::consts::{SIGINT, SIGQUIT};

use super::{builtin, control};
use crate::{args::lab::ExecArgs, context::Failure, exit::Exit};

/// What a shell says of a command that a signal ended: this and the signal's number.
const BY_SIGNAL: i32 = 128;

/// Runs the command.
pub(super) fn run(args: &ExecArgs) -> Result<Exit, Failure> {
    let directory = Directory::of_user().map_err(|error| control(&error))?;
    let client = only(&directory, args.lab).map_err(|error| control(&error))?;
    let entered = client.enter(&args.pod).map_err(|error| control(&error))?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(cannot(&OsString::new(), &io::Error::from(ErrorKind::NotFound)));
    };
    if builtin::always(program) {
        return builtin::run(program, arguments, &entered);
    }
    let mut command = Command::new(program);
    command.args(arguments);
    match exec::spawn(&entered.namespace, &entered.door.resolv_conf, &mut command) {
        Ok(child) => Ok(wait(child, entered)),
        Err(cause) if cause.kind() == ErrorKind::NotFound && builtin::instead(program) => {
            builtin::run(program, arguments, &entered)
        }
        Err(cause) => Err(cannot(program, &cause)),
    }
}

fn cannot(program: &OsString, cause: &io::Error) -> Failure {
    let message = format!("cannot run `{}`: {cause}", program.to_string_lossy());
    let failure = Diagnostic::error("exec", Origin::NONE, message);
    Box::new(if cause.kind() == ErrorKind::NotFound {
        failure.with_help("built in are `connect`, `listen`, `resolve`, `get` and `curl`; other programs are the machine's own")
    } else {
        failure
    })
}

/// Waits for a command, and ends it when the lab ends.
fn wait(mut child: Child, entered: Entered) -> Exit {
    // Ctrl-C is for the command: this process sees it too, and waits for what the command makes of it.
    for signal in [SIGINT, SIGQUIT] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    let over = Arc::new(AtomicBool::new(false));
    let (done, lab) = (Arc::clone(&over), entered.lab);
    let pid = child.id().cast_signed();
    let watch = thread::Builder::new().name("lab".to_owned()).spawn(move || {
        if ends_first(lab, &done) {
            // It may have ended at this very moment.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    });
    let status = child.wait();
    over.store(true, Ordering::Release);
    drop(watch);
    status.map_or(Exit::Unusable, |status| Exit::Of(code(status)))
}

/// Waits until the lab ends or the command is over; whether it was the lab.
fn ends_first(mut lab: UnixStream, over: &AtomicBool) -> bool {
    let _ = lab.set_read_timeout(Some(Duration::from_millis(200)));
    loop {
        match lab.read(&mut [0; 64]) {
            _ if over.load(Ordering::Acquire) => return false,
            Ok(0) => return true,
            Ok(_) => {}
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return true,
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
