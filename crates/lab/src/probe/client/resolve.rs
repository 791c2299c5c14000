//! Names. In: a name as a program in a pod would use it, the pod's name server and search list. Out: its addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
};

use super::ClientError;
use crate::namespace::Namespace;

/// How long an answer is waited for, each time that it is asked for.
const PATIENCE: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// As in a pod's `/etc/resolv.conf`: a name with fewer dots is tried in the search list first.
const DOTS: usize = 5;

/// What a pod's `/etc/resolv.conf` says.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// The name server.
    pub server: SocketAddr,
    /// The domains in which short names are looked for, in order.
    pub search: Vec<String>,
}

impl Resolver {
    /// The addresses of a name, IPv4 first; of an address, itself.
    ///
    /// # Errors
    /// When the name server does not answer or knows no address.
    pub fn resolve(&self, from: &Namespace, name: &str) -> Result<Vec<IpAddr>, ClientError> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        from.run(|| self.look_up(name))?
    }

    /// Runs in the namespace.
    fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, ClientError> {
        let mut said = ResponseCode::NoError;
        for candidate in self.candidates(name) {
            let mut addresses = Vec::new();
            for kind in [RecordType::A, RecordType::AAAA] {
                let answer = self.ask(&candidate, kind)?;
                said = answer.metadata.response_code;
                addresses.extend(answer.answers.iter().filter_map(|record| record.data.ip_addr()));
            }
            if !addresses.is_empty() {
                return Ok(addresses);
            }
        }
        Err(ClientError::NoAddress { name: name.to_owned(), server: self.server, answer: said.to_string() })
    }

    /// The full names that a name may stand for, in the order in which they are tried.
    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut full: Vec<String> =
            self.search.iter().map(|domain| format!("{name}.{}.", domain.trim_end_matches('.'))).collect();
        let place = if name.matches('.').count() < DOTS { full.len() } else { 0 };
        full.insert(place, format!("{name}."));
        full
    }

    fn ask(&self, name: &str, kind: RecordType) -> Result<Message, ClientError> {
        let name_of = |why: String| ClientError::Name { name: name.to_owned(), why };
        let mut query = Message::query();
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(
            Name::from_utf8(name).map_err(|error| name_of(error.to_string()))?,
            kind,
        ));
        let bytes = query.to_vec().map_err(|error| name_of(error.to_string()))?;
        let lost = |cause| ClientError::NameServer { server: self.server, cause };
        let any = if self.server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).map_err(lost)?;
        socket.connect(self.server).map_err(lost)?;
        let mut cause = io::Error::from(io::ErrorKind::TimedOut);
        for patience in PATIENCE {
            match exchange(&socket, &bytes, query.metadata.id, patience) {
                Ok(answer) => return Ok(answer),
                Err(error) => cause = error,
            }
        }
        Err(lost(cause))
    }
}

/// Sends a question and waits for its answer.
fn exchange(socket: &UdpSocket, question: &[u8], id: u16, patience: Duration) -> io::Result<Message> {
    socket.set_read_timeout(Some(patience))?;
    socket.send(question)?;
    let mut room = [0; 4096];
    loop {
        let length = socket.recv(&mut room)?;
        // What is not an answer to this question is somebody else's.
        if let Ok(answer) = Message::from_vec(room.get(..length).unwrap_or_default())
            && answer.metadata.id == id
        {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_looked_for_in_the_search_list_first() {
        let resolver = Resolver {
            server: SocketAddr::from(([10, 96, 0, 10], 53)),
            search: vec!["shop.svc.cluster.local".to_owned(), "svc.cluster.local.".to_owned()],
        };
        assert_eq!(
            resolver.candidates("api.shop"),
            ["api.shop.shop.svc.cluster.local.", "api.shop.svc.cluster.local.", "api.shop."]
        );
        assert_eq!(resolver.candidates("a.b.c.d.e.f").first().map(String::as_str), Some("a.b.c.d.e.f."));
        assert_eq!(resolver.candidates("example.com."), ["example.com."]);
    }
}
