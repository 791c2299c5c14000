//! Clusters from manifests, labs of them, and connections between their places.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use libtest_mimic::Failed;
use ringfence_lab::{
    lab::Lab,
    namespace::Namespace,
    plan::{self, Options},
};
use ringfence_manifest::Input;
use ringfence_model::{address::Family, cluster::Cluster, diagnostic::Severity};

/// Every wait of these tests ends.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn read(text: &str) -> Cluster {
    let input = Input { name: "test.yaml".to_owned(), text: text.to_owned() };
    let loaded = ringfence_manifest::read(vec![input], &ringfence_manifest::Options::default());
    assert!(
        loaded.diagnostics.iter().all(|found| found.severity != Severity::Error),
        "{:?}",
        loaded.diagnostics.first()
    );
    loaded.cluster
}

pub(crate) fn up(cluster: &Cluster, options: &Options) -> Result<Lab, Failed> {
    Ok(Lab::up(plan::plan(cluster, options)?, &|_| ())?)
}

/// A pod by its name: its namespace and its address of a family.
pub(crate) fn pod<'a>(lab: &'a Lab, name: &str, family: Family) -> Result<(&'a Namespace, IpAddr), Failed> {
    let found = lab.pods().find(|(place, _)| place.key.to_string() == name);
    let (place, namespace) = found.ok_or_else(|| Failed::from(format!("no pod {name}")))?;
    let address = place.addresses.iter().copied().find(|address| Family::of(*address) == family);
    Ok((namespace, address.ok_or_else(|| Failed::from(format!("{name} has no {family:?} address")))?))
}

/// A server that tells each client its name, whom it sees, and whom the client called; it ends with the test program.
pub(crate) fn serve(place: &Namespace, name: &str, port: u16) -> Result<(), Failed> {
    let listener = place.run(|| TcpListener::bind(("::", port)))??;
    let name = name.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let seen = (stream.peer_addr(), stream.local_addr());
            if let (Ok(peer), Ok(own)) = seen {
                let (peer, own) = (peer.ip().to_canonical(), own.ip().to_canonical());
                drop(stream.write_all(format!("{name} {peer} {own}").as_bytes()));
            }
        }
    });
    Ok(())
}

/// What a server says to a client in a namespace; the source is chosen by the kernel.
pub(crate) fn call(place: &Namespace, to: IpAddr, port: u16) -> Result<String, Failed> {
    let answer = place.run(|| {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(to, port), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    })?;
    answer.map_err(|error| format!("{to} port {port}: {error}").into())
}
