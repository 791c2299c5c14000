//! The other end of a lab's socket. In: requests. Out: what the lab answers; and the way into a pod, for a process that has
//! no threads yet.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::{fs::MetadataExt as _, net::UnixStream},
};

use nix::sched::{CloneFlags, setns};

use super::{
    ControlError, Directory,
    message::{Answer, Door, LabFacts, Request},
    system,
};
use crate::namespace::Namespace;

/// A connection to a lab.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// A pod of another process's lab that this process has entered.
#[derive(Debug)]
pub struct Entered {
    /// Its network namespace, which this process is in.
    pub namespace: Namespace,
    /// Its name and what its `/etc/resolv.conf` says.
    pub door: Door,
    /// It ends when the lab does.
    pub lab: UnixStream,
}

/// Everything that runs, by process.
///
/// # Errors
/// When the directory cannot be read. A lab that ends meanwhile is left out.
pub fn labs(directory: &Directory) -> Result<Vec<LabFacts>, ControlError> {
    let running = directory.running()?;
    let facts = running.into_iter().filter_map(|pid| Client::connect(directory, pid).ok()?.list().ok());
    Ok(facts.collect())
}

/// The lab of a process, or the only one that runs.
///
/// # Errors
/// When there is none, or several and nobody says which.
pub fn only(directory: &Directory, pid: Option<u32>) -> Result<Client, ControlError> {
    let running = directory.running()?;
    let pid = match (pid, running.as_slice()) {
        (Some(pid), _) if running.contains(&pid) => pid,
        (Some(pid), _) => return Err(ControlError::NoSuch { pid, others: running }),
        (None, []) => return Err(ControlError::None),
        (None, [one]) => *one,
        (None, _) => return Err(ControlError::Several(running)),
    };
    Client::connect(directory, pid)
}

impl Client {
    /// Connects to the lab of a process.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn connect(directory: &Directory, pid: u32) -> Result<Self, ControlError> {
        let path = directory.socket(pid);
        let stream =
            UnixStream::connect(&path).map_err(system(format!("connect to `{}`", path.display())))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Its pods.
    ///
    /// # Errors
    /// When the lab ends meanwhile.
    pub fn list(mut self) -> Result<LabFacts, ControlError> {
        self.ask(&Request::List)?;
        match self.answer()? {
            Answer::Lab(facts) => Ok(facts),
            _ => Err(ControlError::Gone),
        }
    }

    /// Asks for flows; [`Self::answer`] then gives them one by one, to [`Answer::End`].
    ///
    /// # Errors
    /// When the lab ends meanwhile.
    pub fn flows(&mut self, follow: bool) -> Result<(), ControlError> {
        self.ask(&Request::Flows { follow })
    }

    /// Moves this process into a pod: into the user namespace that the lab's namespaces belong to, if the lab has one of its
    /// own, and into the pod's network namespace.
    ///
    /// # Errors
    /// When the name stands for no pod, another user started the lab, or this process has threads already.
    pub fn enter(mut self, pod: &str) -> Result<Entered, ControlError> {
        let door = self.door(pod)?;
        let open = |what: String| {
            let path = format!("/proc/{}/{what}", door.pid);
            File::open(&path).map_err(system(format!("open `{path}`")))
        };
        let user = open("ns/user".to_owned())?;
        let network = open(format!("fd/{}", door.network_fd))?;
        let failed = || system("enter the lab's namespaces");
        let inode = |file: &File| file.metadata().map(|facts| facts.ino());
        let own = File::open("/proc/self/ns/user").and_then(|file| inode(&file)).map_err(failed())?;
        if inode(&user).map_err(failed())? != own {
            setns(&user, CloneFlags::CLONE_NEWUSER).map_err(io::Error::from).map_err(failed())?;
        }
        setns(&network, CloneFlags::CLONE_NEWNET).map_err(io::Error::from).map_err(failed())?;
        let namespace = Namespace::current().map_err(io::Error::other).map_err(failed())?;
        Ok(Entered { namespace, door, lab: self.stream.into_inner() })
    }

    /// How to enter a pod.
    pub(super) fn door(&mut self, pod: &str) -> Result<Door, ControlError> {
        self.ask(&Request::Enter { pod: pod.to_owned() })?;
        match self.answer()? {
            Answer::Enter(door) => Ok(door),
            _ => Err(ControlError::Gone),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<(), ControlError> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::from).map_err(system("ask the lab"))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).map_err(system("ask the lab"))
    }

    /// The next answer.
    ///
    /// # Errors
    /// When the lab ends, or refuses.
    pub fn answer(&mut self) -> Result<Answer, ControlError> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) | Err(_) => return Err(ControlError::Gone),
            Ok(_) => {}
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Error { message, help }) => Err(ControlError::Refused { message, help }),
            Ok(answer) => Ok(answer),
            Err(_) => Err(ControlError::Gone),
        }
    }
}
