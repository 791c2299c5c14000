//! Programs stay what they are. In: the nodes' programs, and the kernel's events about their tables. Out: what somebody else
//! changes is put right at once, whatever the lab is busy with.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        eventfd::{EfdFlags, EventFd},
    },
};
use ringfence_dataplane::{netlink::Watch, node::Node};

/// The token of the event that ends the thread.
const STOP: u64 = u64::MAX;

/// How long after a repair that failed, or an update, the program is looked at again.
const AGAIN: Duration = Duration::from_millis(100);

/// A node that several threads change.
pub(super) type Shared = Arc<Mutex<Node>>;

/// A node with what is heard about its table.
pub(super) struct Watched {
    pub(super) watch: Watch,
    pub(super) node: Shared,
    pub(super) table: String,
}

/// The thread that puts things right, until this is dropped.
pub(super) struct Guard {
    stop: Arc<EventFd>,
    repairs: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// The node, whatever a thread that held it died of: what it did to the kernel's table is found by reading.
pub(super) fn locked(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guard {
    /// Watches over nodes from now on.
    pub(super) fn start(nodes: Vec<Watched>) -> Result<Self, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (place, node) in (0_u64..).zip(&nodes) {
            epoll.add(&node.watch, EpollEvent::new(EpollFlags::EPOLLIN, place))?;
        }
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        epoll.add(&*stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        let repairs = Arc::<AtomicU64>::default();
        let count = Arc::clone(&repairs);
        let thread =
            thread::Builder::new().name("repairs".to_owned()).spawn(move || watch(&epoll, nodes, &count));
        let thread = thread.map_err(|error| error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw))?;
        Ok(Self { stop, repairs, thread: Some(thread) })
    }

    /// How often a program was put right.
    pub(super) fn repairs(&self) -> u64 {
        self.repairs.load(Ordering::Relaxed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A thread that cannot be told has ended.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(epoll: &Epoll, mut nodes: Vec<Watched>, repairs: &AtomicU64) {
    let mut events = vec![EpollEvent::empty(); nodes.len() + 1];
    let mut unsettled = false;
    loop {
        let patience = if unsettled {
            AGAIN.as_millis().try_into().unwrap_or(u16::MAX).into()
        } else {
            EpollTimeout::NONE
        };
        let ready = match epoll.wait(&mut events, patience) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        };
        if events.iter().take(ready).any(|event| event.data() == STOP) {
            return;
        }
        unsettled = false;
        for Watched { watch, node, table } in &mut nodes {
            let mut node = locked(node);
            // What cannot be heard may have happened.
            let touched = watch.touched(table, node.port()).unwrap_or(true);
            if !touched && !node.is_unsure() {
                continue;
            }
            match node.repair() {
                Ok(repaired) => _ = repairs.fetch_add(u64::from(repaired), Ordering::Relaxed),
                Err(_) => unsettled = true,
            }
        }
    }
}
