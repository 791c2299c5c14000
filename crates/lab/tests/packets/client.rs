//! What `lab exec` does: connect, listen, resolve, fetch.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    ops::ControlFlow,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType},
};
use libtest_mimic::Trial;
use ringfence_lab::{
    listen::Listeners,
    probe::{
        Answerer, Outcome as Came, Prober, Refusal,
        client::{ClientError, Heard, Resolver, http_get, listen},
    },
};
use ringfence_model::port::Protocol;

use crate::{
    Outcome,
    answers::listeners,
    star::{Star, v4, v6},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![a_page_names_the_pod, connecting_says_who_answers, a_watched_listener_tells_what_it_hears]
}

fn name_server() -> SocketAddr {
    SocketAddr::new(v4(1), 5353)
}

/// A name server that knows `api.shop.svc.cluster.local`, for a few questions.
fn serve_names(socket: &UdpSocket) -> Outcome {
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut room = [0; 512];
    // The first question is lost.
    let _ = socket.recv_from(&mut room);
    while let Ok((length, from)) = socket.recv_from(&mut room) {
        let question = Message::from_vec(room.get(..length).ok_or("too long")?)?;
        let query = question.queries.first().ok_or("no query")?;
        let mut answer = question.clone().into_response();
        let name = query.name().to_string();
        let data = match (name.as_str(), query.query_type()) {
            ("api.shop.svc.cluster.local.", RecordType::A) => {
                Some(RData::A("10.9.1.2".parse::<std::net::Ipv4Addr>()?.into()))
            }
            ("api.shop.svc.cluster.local.", RecordType::AAAA) => {
                Some(RData::AAAA("fd09:0:0:1::2".parse::<std::net::Ipv6Addr>()?.into()))
            }
            _ => None,
        };
        match data {
            Some(data) => drop(answer.add_answer(Record::from_rdata(query.name().clone(), 5, data))),
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        socket.send_to(&answer.to_vec()?, from)?;
    }
    Ok(())
}

fn a_page_names_the_pod() -> Outcome {
    let star = Star::new(2)?;
    let (client, server) = (star.hosts.first().ok_or("no host")?, star.hosts.get(1).ok_or("no host")?);
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    let socket = server.run(|| UdpSocket::bind(name_server()))??;
    let names = thread::spawn(move || serve_names(&socket).map_err(|error| format!("{error:?}")));
    let resolver = Resolver {
        server: name_server(),
        search: ["shop.svc.cluster.local", "svc.cluster.local"].map(str::to_owned).to_vec(),
    };
    assert_eq!(resolver.resolve(client, "api.shop")?, [v4(1), v6(1)]);
    assert_eq!(resolver.resolve(client, "10.0.0.7")?, ["10.0.0.7".parse::<IpAddr>()?]);
    let unknown = resolver.resolve(client, "nobody.shop").err().ok_or("found")?;
    assert!(matches!(unknown, ClientError::NoAddress { .. }), "{unknown}");

    let page = http_get(client, &resolver, "http://api.shop:8080/health")?;
    assert_eq!((page.status, page.from), (200, SocketAddr::new(v4(1), 8080)));
    assert_eq!(String::from_utf8_lossy(&page.body), "test/host-1 port 8080 answers GET /health\n");
    let page = http_get(client, &resolver, "http://[fd09:0:0:1::2]:8080")?;
    assert_eq!(page.from, SocketAddr::new(v6(1), 8080));
    let closed = http_get(client, &resolver, "http://10.9.1.2:81").err().ok_or("answered")?;
    assert!(matches!(closed, ClientError::Connection { .. }), "{closed}");
    names.join().map_err(|_| "the name server ended")??;
    let nobody = resolver.resolve(client, "api.shop").err().ok_or("answered")?;
    assert!(matches!(nobody, ClientError::NameServer { .. }), "{nobody}");
    Ok(())
}

fn connecting_says_who_answers() -> Outcome {
    let star = Star::new(2)?;
    let client = star.hosts.first().ok_or("no host")?;
    let serving = Listeners::start()?;
    serving.listen(&listeners(&star, 1, 8080))?;
    let prober = Prober::default();
    let by = Some(Answerer { listener: 1, port: 8080 });
    for protocol in Protocol::WITH_PORTS {
        for to in [v4(1), v6(1)] {
            assert_eq!(prober.connect(client, SocketAddr::new(to, 8080), protocol)?, Came::Answered { by });
        }
    }
    let closed = prober.connect(client, SocketAddr::new(v4(1), 81), Protocol::Tcp)?;
    assert_eq!(closed, Came::Refused(Refusal::Reset));
    assert_eq!(
        prober.connect(client, SocketAddr::new(v6(1), 0), Protocol::Icmpv6)?,
        Came::Answered { by: None }
    );
    Ok(())
}

fn a_watched_listener_tells_what_it_hears() -> Outcome {
    let star = Star::new(2)?;
    let (client, server) =
        (star.hosts.first().ok_or("no host")?, star.hosts.get(1).cloned().ok_or("no host")?);
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let (told, hears) = mpsc::channel();
        let server = server.clone();
        let deadline = Instant::now() + Duration::from_secs(10);
        let watched = thread::spawn(move || {
            listen(&server, protocol, 9000, &mut |heard| {
                if let Heard::Said(from, text) = heard {
                    // The test ends before the listener does.
                    let _ = told.send((from, String::from_utf8_lossy(text).into_owned()));
                    return ControlFlow::Break(());
                }
                if Instant::now() > deadline { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
        let to = SocketAddr::new(v4(1), 9000);
        let prober = Prober::default();
        let (from, text) = loop {
            prober.connect(client, to, protocol)?;
            if let Ok(heard) = hears.try_recv() {
                break heard;
            }
            assert!(Instant::now() < deadline, "heard nothing");
        };
        assert_eq!(from.ip(), v4(0));
        assert!(text.starts_with("who "), "{text}");
        watched.join().map_err(|_| "the listener ended")??;
    }
    Ok(())
}
