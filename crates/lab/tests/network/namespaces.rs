//! Making namespaces, running in them, and that nothing of them stays.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use libtest_mimic::Trial;
use ringfence_lab::namespace::Namespace;

use crate::{Outcome, trials};

pub(crate) fn trials() -> Vec<Trial> {
    trials![are_apart_and_sockets_stay, the_caller_stays_where_it_is]
}

/// A fresh namespace has a loopback that is down: nothing can be reached there, and two may bind one port.
fn are_apart_and_sockets_stay() -> Outcome {
    let (one, two) = (Namespace::create()?, Namespace::create()?);
    assert_ne!(one, two);
    let bind = |place: &Namespace| place.run(|| TcpListener::bind("0.0.0.0:8080"));
    let _both = (bind(&one)??, bind(&two)??);
    let dialled = one.run(|| {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    })?;
    assert!(!dialled);
    Ok(())
}

fn the_caller_stays_where_it_is() -> Outcome {
    let before = Namespace::current()?;
    let made = Namespace::create()?;
    assert_eq!(made.run(Namespace::current)??, made);
    assert_eq!(Namespace::current()?, before);
    Ok(())
}
