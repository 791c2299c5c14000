//! Both ends of the socket in one process. In: boards made by hand. Out: what clients hear.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    sync::Arc,
    time::Duration,
};

use ringfence_manifest::{Input, Options};
use ringfence_model::{
    observed::{FlowRecord, Party, Seen, Treatment},
    verdict::{Direction, Reason},
    workload::PodId,
};

use super::{
    Board, Client, ControlError, Directory, Server, labs,
    message::{Answer, FlowEnd, PodFacts},
    only,
};
use crate::namespace::Namespace;

const MANIFESTS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: stage}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}}
";

/// A board with pods that all are in the test's own network namespace.
fn board() -> Board {
    let input = Input { name: "a.yaml".to_owned(), text: MANIFESTS.to_owned() };
    let cluster = ringfence_manifest::read(vec![input], &Options::default()).cluster;
    let here = Namespace::current().unwrap();
    let board = Board::default();
    let mut state = board.state();
    for (at, pod) in (0..).zip(&cluster.pods) {
        let name = format!("{}/{}", pod.namespace, pod.name);
        let facts = PodFacts { name, node: "one".to_owned(), addresses: Vec::new() };
        state.pods.push((facts, PodId(at), here.clone()));
    }
    state.nodes.insert("one".into(), here.clone());
    state.outside = Some(here);
    state.cluster = Arc::new(cluster);
    drop(state);
    board
}

fn directory() -> (tempfile::TempDir, Directory) {
    let above = tempfile::tempdir().unwrap();
    let directory = Directory::at(above.path().join("labs")).unwrap();
    (above, directory)
}

fn refusal(result: Result<impl std::fmt::Debug, ControlError>) -> String {
    result.unwrap_err().to_string()
}

fn record(board: &Board) -> FlowRecord {
    let policy = board.state().cluster.network_policies[0].meta.clone();
    let seen = |address: &str, name: &str, port| Seen {
        address: address.parse().unwrap(),
        port: Some(port),
        party: Some(Party::Pod { namespace: "shop".into(), name: name.into() }),
    };
    FlowRecord {
        time: Duration::from_millis(1500),
        treatment: Treatment::Denied,
        direction: Direction::Ingress,
        rule: 7,
        policy: "NetworkPolicy shop/closed".into(),
        reasons: [Reason::Isolated(policy)].into(),
        source: seen("10.244.0.1", "web", 40_000),
        destination: seen("10.244.0.2", "api", 8080),
        protocol: Some(6),
        icmp: None,
        tcp_flags: None,
        input: None,
        output: None,
    }
}

#[test]
fn pods_are_listed_and_entered_by_the_names_that_people_use() {
    let (_above, directory) = directory();
    let _server = Server::start_as(&directory, &board(), 7).unwrap();
    let connect = || Client::connect(&directory, 7).unwrap();
    let names: Vec<String> = connect().list().unwrap().pods.into_iter().map(|pod| pod.name).collect();
    assert_eq!(names, ["shop/api", "shop/web", "stage/api"]);
    for (given, full) in
        [("web", "shop/web"), ("stage/api", "stage/api"), ("outside", "outside"), ("node/one", "node/one")]
    {
        let door = connect().door(given).unwrap();
        assert_eq!((door.name.as_str(), door.pid), (full, std::process::id()));
        assert!(fs::metadata(format!("/proc/self/fd/{}", door.network_fd)).is_ok());
    }
    assert!(connect().door("web").unwrap().resolv_conf.contains("search shop.svc.cluster.local"));
    let ambiguous = refusal(connect().door("api"));
    assert!(ambiguous.contains("shop/api") && ambiguous.contains("stage/api"), "{ambiguous}");
    assert!(refusal(connect().door("wbe")).contains("did you mean"));
    assert!(refusal(connect().door("node/two")).contains("there are one"));
    assert!(refusal(connect().door("203.0.113.0/24")).contains("no pod of the lab"));
}

#[test]
fn flows_are_kept_and_followed_until_the_lab_ends() {
    let (_above, directory) = directory();
    let board = board();
    let server = Server::start_as(&directory, &board, 7).unwrap();
    board.record("one", &record(&board));
    let mut before = Client::connect(&directory, 7).unwrap();
    before.flows(false).unwrap();
    let Answer::Flow(flow) = before.answer().unwrap() else { unreachable!("a flow was recorded") };
    assert_eq!((flow.verdict.as_str(), flow.direction.as_str(), flow.time), ("denied", "ingress", 1.5));
    let to = FlowEnd { name: "shop/api".to_owned(), address: "10.244.0.2".to_owned(), port: Some(8080) };
    assert_eq!((flow.to, flow.protocol.as_str()), (to, "TCP"));
    assert_eq!(
        (flow.rule.as_str(), flow.places.as_slice()),
        ("isolated by NetworkPolicy shop/closed", &["a.yaml:15".to_owned()][..])
    );
    assert_eq!(before.answer().unwrap(), Answer::End);

    let mut follower = Client::connect(&directory, 7).unwrap();
    follower.flows(true).unwrap();
    assert!(matches!(follower.answer().unwrap(), Answer::Flow(_)));
    board.record("one", &record(&board));
    assert!(matches!(follower.answer().unwrap(), Answer::Flow(_)));
    drop(server);
    assert_eq!(follower.answer().unwrap(), Answer::End);
    assert!(matches!(follower.answer(), Err(ControlError::Gone)));
}

#[test]
fn two_labs_have_two_sockets() {
    let (_above, directory) = directory();
    let first = Server::start_as(&directory, &board(), 7).unwrap();
    let _second = Server::start_as(&directory, &board(), 8).unwrap();
    assert_eq!(directory.running().unwrap(), [7, 8]);
    assert_eq!(labs(&directory).unwrap().len(), 2);
    assert!(refusal(only(&directory, None)).contains("--lab, 7 or 8"));
    assert!(only(&directory, Some(8)).is_ok());
    assert!(refusal(only(&directory, Some(9))).contains("7, 8"));
    drop(first);
    assert_eq!(directory.running().unwrap(), [8]);
    assert!(only(&directory, None).unwrap().list().is_ok());
}

#[test]
fn the_socket_of_a_dead_lab_is_removed() {
    let (_above, directory) = directory();
    drop(UnixListener::bind(directory.socket(7)).unwrap());
    assert!(directory.socket(7).exists());
    assert!(matches!(only(&directory, None), Err(ControlError::None)));
    assert!(!directory.socket(7).exists());
    drop(UnixListener::bind(directory.socket(7)).unwrap());
    let _again = Server::start_as(&directory, &board(), 7).unwrap();
    assert_eq!(directory.running().unwrap(), [7]);
}

#[test]
fn a_directory_that_others_can_use_is_refused() {
    let (above, directory) = directory();
    let path = above.path().join("labs");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let link = above.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(Directory::at(&link), Err(ControlError::Directory(_))));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(refusal(Directory::at(&path)).contains("only this user"));
    drop(directory);
}

#[test]
fn what_is_no_request_is_answered_with_an_error() {
    use std::io::{Read as _, Write as _};
    let (_above, directory) = directory();
    let _server = Server::start_as(&directory, &board(), 7).unwrap();
    for nonsense in ["{}\n".to_owned(), "\n".to_owned(), "x".repeat(9000)] {
        let mut stream = std::os::unix::net::UnixStream::connect(directory.socket(7)).unwrap();
        // The lab stops reading at its limit.
        let _ = stream.write_all(nonsense.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        assert!(read.is_err() || answer.starts_with("{\"error\":"), "{answer}");
    }
}
