//! Where the sockets are. In: the environment. Out: a directory that only this user can use, with a socket for each lab that
//! runs; those of labs that are gone are removed.

use std::{
    env, fs, io,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;

use super::{ControlError, system};

/// Rights of the directory: nobody else may even look.
const PRIVATE: u32 = 0o700;

/// The directory of this user's labs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// `ringfence` in `XDG_RUNTIME_DIR`, or else one with the user's number in the directory for temporary files. It is to be
    /// asked for before a user namespace is entered, in which every user is root.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else made it.
    pub fn of_user() -> Result<Self, ControlError> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        Self::at(match runtime.filter(|path| path.is_dir()) {
            Some(runtime) => runtime.join("ringfence"),
            None => env::temp_dir().join(format!("ringfence-{}", geteuid())),
        })
    }

    /// At a path, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else can use it.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, ControlError> {
        let path = path.into();
        match fs::DirBuilder::new().mode(PRIVATE).create(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
                return Err(system(format!("make `{}`", path.display()))(cause));
            }
            _ => {}
        }
        // A link that somebody else put there is not followed.
        let facts = fs::symlink_metadata(&path).map_err(system(format!("look at `{}`", path.display())))?;
        let private = facts.is_dir() && facts.uid() == geteuid().as_raw() && facts.mode() & 0o077 == 0;
        if private { Ok(Self { path }) } else { Err(ControlError::Directory(path)) }
    }

    /// The socket of the lab in a process.
    #[must_use]
    pub fn socket(&self, pid: u32) -> PathBuf {
        self.path.join(format!("lab-{pid}.sock"))
    }

    /// The processes with a lab that answers, ascending; sockets that nobody answers are removed.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn running(&self) -> Result<Vec<u32>, ControlError> {
        let failed = || system(format!("read `{}`", self.path.display()));
        let mut pids = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            let Some(pid) = pid_of(&path) else { continue };
            match UnixStream::connect(&path) {
                Ok(_) => pids.push(pid),
                // Nobody listens: the lab is gone, without having had the time to tidy up.
                Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                    // Another process may have removed it meanwhile.
                    let _ = fs::remove_file(&path);
                }
                Err(_) => {}
            }
        }
        pids.sort_unstable();
        Ok(pids)
    }
}

fn pid_of(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("lab-")?.strip_suffix(".sock")?.parse().ok()
}
