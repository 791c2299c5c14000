//! A lab's end of its socket. In: a board. Out: a thread that answers every client, until it is dropped.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::RecvTimeoutError,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ringfence_analysis::question::Problem;

use super::{
    Board, ControlError, Directory,
    board::Heard,
    message::{Answer, Request},
    system,
};

/// Clients at a time.
const CLIENTS: usize = 64;

/// The longest request, in bytes.
const LONGEST: u64 = 4_096;

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a follower is checked for having left when nothing happens.
const IDLE: Duration = Duration::from_secs(1);

/// A socket that is answered. Dropping it removes it.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers at this process's socket.
    ///
    /// # Errors
    /// When the socket or the thread cannot be made.
    pub fn start(directory: &Directory, board: &Board) -> Result<Self, ControlError> {
        Self::start_as(directory, board, process::id())
    }

    /// Answers at the socket of a process.
    pub(super) fn start_as(directory: &Directory, board: &Board, pid: u32) -> Result<Self, ControlError> {
        // What a dead lab with the same number left is removed here too.
        directory.running()?;
        let path = directory.socket(pid);
        let failed = || system(format!("listen at `{}`", path.display()));
        let listener = UnixListener::bind(&path).map_err(failed())?;
        let ended = Arc::new(AtomicBool::new(false));
        let (board, over) = (board.clone(), Arc::clone(&ended));
        let run = move || accept(&listener, &board, &over);
        let thread = thread::Builder::new().name("control".to_owned()).spawn(run).map_err(failed())?;
        Ok(Self { path, ended, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // A client that asks nothing wakes the thread.
        let awake = UnixStream::connect(&self.path).is_ok();
        // The socket may be gone already: somebody tidied up the directory.
        let _ = fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| awake) {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &UnixListener, board: &Board, ended: &Arc<AtomicBool>) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if ended.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if clients.fetch_add(1, Ordering::Relaxed) >= CLIENTS {
            clients.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (board, ended, present) = (board.clone(), Arc::clone(ended), Arc::clone(&clients));
        let serve = move || {
            // A client that leaves is no failure of the lab.
            let _ = serve(&stream, &board, &ended);
            present.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().name("control client".to_owned()).spawn(serve).is_err() {
            clients.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn serve(stream: &UnixStream, board: &Board, ended: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
    let mut out = BufWriter::new(stream);
    match serde_json::from_str::<Request>(&line) {
        Err(_) if line.is_empty() => Ok(()),
        Err(cause) => say(&mut out, &error(Problem::new(format!("the request makes no sense: {cause}")))),
        Ok(Request::List) => say(&mut out, &Answer::Lab(board.list())),
        Ok(Request::Enter { pod }) => match board.enter(&pod) {
            Err(problem) => say(&mut out, &error(problem)),
            Ok(door) => {
                say(&mut out, &Answer::Enter(door))?;
                // The client keeps the connection until its command ends: its own end tells it that the lab has ended.
                stay(stream, ended)
            }
        },
        Ok(Request::Flows { follow }) => flows(&mut out, board, follow, ended),
    }
}

/// Keeps a connection until the client closes it or the lab ends.
fn stay(stream: &UnixStream, ended: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    let mut stream = stream;
    while !ended.load(Ordering::Acquire) {
        match stream.read(&mut [0; 64]) {
            Ok(0) => break,
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

fn flows(
    out: &mut BufWriter<&UnixStream>,
    board: &Board,
    follow: bool,
    ended: &AtomicBool,
) -> io::Result<()> {
    let (so_far, more) = board.flows();
    for flow in so_far {
        write(out, &Answer::Flow(Box::new(flow)))?;
    }
    out.flush()?;
    while follow && !ended.load(Ordering::Acquire) {
        match more.recv_timeout(IDLE) {
            Ok(heard) => {
                for heard in std::iter::once(heard).chain(more.try_iter()) {
                    write(
                        out,
                        &match heard {
                            Heard::Flow(flow) => Answer::Flow(flow),
                            Heard::Missed(count) => Answer::Missed(count),
                        },
                    )?;
                }
                out.flush()?;
            }
            Err(RecvTimeoutError::Timeout) if left(out.get_ref()) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    say(out, &Answer::End)
}

/// Whether the client has closed its end.
fn left(stream: &UnixStream) -> bool {
    let mut stream = stream;
    let quick = stream.set_read_timeout(Some(Duration::from_millis(1)));
    quick.is_err() || matches!(stream.read(&mut [0; 1]), Ok(0))
}

fn error(problem: Problem) -> Answer {
    Answer::Error { message: problem.message, help: problem.help }
}

fn say(out: &mut BufWriter<&UnixStream>, answer: &Answer) -> io::Result<()> {
    write(out, answer)?;
    out.flush()
}

fn write(out: &mut BufWriter<&UnixStream>, answer: &Answer) -> io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")
}
