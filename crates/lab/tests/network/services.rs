//! Services lead to all of their ready backends, from pods, nodes, outside and from a backend itself; what has none refuses.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{IpAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use libtest_mimic::{Failed, Trial};
use ringfence_lab::{
    lab::Lab,
    plan::{self, Options},
};
use ringfence_model::address::Family;

use crate::{
    Outcome,
    cluster::{call, pod, read, serve, up},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        all_backends_answer_to_everyone,
        a_pod_reaches_itself,
        what_has_no_backend_refuses,
        slices_written_by_hand_lead_outside,
        pods_and_services_come_and_go,
    ]
}

const SHOP: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {nodeName: one, containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: web}}
spec: {nodeName: two, containers: [{name: c, image: i, ports: [{name: http, containerPort: 8081}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-3, namespace: shop, labels: {app: web}}
spec: {nodeName: two, hostNetwork: true, containers: [{name: c, image: i, ports: [{name: http, containerPort: 8082}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sick, namespace: shop, labels: {app: web}}
spec: {nodeName: two, containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
status: {phase: Running, conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {nodeName: one, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}, {name: hold, port: 7000}], externalIPs: [198.51.77.1]}
---
apiVersion: v1
kind: Service
metadata: {name: none, namespace: shop}
spec: {selector: {app: nothing}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {ports: [{port: 443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-1, namespace: shop, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{port: 6443, protocol: TCP}]
endpoints: [{addresses: [192.0.2.10]}, {addresses: [192.0.2.11]}]
";

fn shop() -> Result<Lab, Failed> {
    let lab = up(&read(SHOP), &Options { dual_stack: true, ..Options::default() })?;
    for (name, port) in [("web-1", 8080), ("web-2", 8081), ("web-3", 8082), ("sick", 8080)] {
        serve(pod(&lab, &format!("shop/{name}"), Family::V4)?.0, name, port)?;
    }
    Ok(lab)
}

fn address(lab: &Lab, name: &str, family: Family) -> Result<IpAddr, Failed> {
    let service = lab.cluster().service("shop", name).ok_or("no such Service")?;
    let address = service.cluster_ips.iter().copied().find(|address| Family::of(*address) == family);
    address.ok_or_else(|| "no such address".into())
}

/// Who answers in many calls.
fn answering(call: impl Fn() -> Result<String, Failed>) -> Result<BTreeSet<String>, Failed> {
    let first = |answer: String| answer.split(' ').next().unwrap_or_default().to_owned();
    (0..40).map(|_| call().map(first)).collect()
}

fn all_backends_answer_to_everyone() -> Outcome {
    let lab = shop()?;
    let all: BTreeSet<String> = ["web-1", "web-2", "web-3"].map(str::to_owned).into();
    for family in Family::BOTH {
        let web = address(&lab, "web", family)?;
        for name in ["shop/client", "shop/sick", "shop/web-3"] {
            let (place, own) = pod(&lab, name, family)?;
            assert_eq!(answering(|| call(place, web, 80))?, all, "{name} {family:?}");
            // The backend sees who calls.
            assert_eq!(call(place, web, 80)?.split(' ').nth(1), Some(own.to_string().as_str()));
        }
        assert_eq!(answering(|| call(lab.outside(), web, 80))?, all);
        for (node, place) in lab.nodes() {
            assert_eq!(answering(|| call(place, web, 80))?, all);
            let door = node.addresses.iter().copied().find(|address| Family::of(*address) == family);
            let door = door.ok_or("the node has no address")?;
            assert_eq!(answering(|| call(pod(&lab, "shop/client", family)?.0, door, 30080))?, all);
            assert_eq!(answering(|| call(lab.outside(), door, 30080))?, all);
        }
    }
    assert_eq!(answering(|| call(lab.outside(), "198.51.77.1".parse()?, 80))?, all);
    Ok(())
}

fn a_pod_reaches_itself() -> Outcome {
    let lab = shop()?;
    for family in Family::BOTH {
        let web = address(&lab, "web", family)?;
        for name in ["web-1", "web-2", "web-3"] {
            let place = pod(&lab, &format!("shop/{name}"), family)?.0;
            assert!(answering(|| call(place, web, 80))?.contains(name));
        }
    }
    Ok(())
}

fn what_has_no_backend_refuses() -> Outcome {
    let lab = shop()?;
    for family in Family::BOTH {
        for (name, port) in [("none", 80), ("web", 81), ("api", 444)] {
            let to = address(&lab, name, family)?;
            for place in
                [pod(&lab, "shop/client", family)?.0, pod(&lab, "shop/web-3", family)?.0, lab.outside()]
            {
                let start = Instant::now();
                let error = call(place, to, port).err().ok_or("it answered")?;
                let refused = error.message().unwrap_or_default().contains("refused");
                assert!(refused && start.elapsed() < Duration::from_secs(1), "{error:?}");
            }
        }
    }
    Ok(())
}

fn slices_written_by_hand_lead_outside() -> Outcome {
    let lab = shop()?;
    serve(lab.outside(), "outside", 6443)?;
    let api = address(&lab, "api", Family::V4)?;
    let place = pod(&lab, "shop/client", Family::V4)?.0;
    let answers: Result<Vec<String>, Failed> = (0..30).map(|_| call(place, api, 443)).collect();
    let reached: BTreeSet<String> =
        answers?.iter().filter_map(|answer| answer.split(' ').nth(2).map(str::to_owned)).collect();
    assert_eq!(reached, ["192.0.2.10", "192.0.2.11"].map(str::to_owned).into());
    Ok(())
}

/// Pods and Services come and go while the lab is up; a connection through it all stays.
fn pods_and_services_come_and_go() -> Outcome {
    let options = Options { dual_stack: true, ..Options::default() };
    let mut lab = shop()?;
    let (place, _) = pod(&lab, "shop/client", Family::V4)?;
    let (place, web) = (place.clone(), address(&lab, "web", Family::V4)?);
    let mut held = hold(&lab, web)?;
    say(&mut held)?;

    // web-2 goes, a new pod and a new Service come.
    let new = "
apiVersion: v1
kind: Pod
metadata: {name: another, namespace: shop, labels: {app: another}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Service
metadata: {name: another, namespace: shop}
spec: {selector: {app: another}, ports: [{port: 80, targetPort: 9000}]}
";
    let text: Vec<&str> = SHOP.split("---").filter(|part| !part.contains("web-2")).collect();
    let changed = read(&format!("{}---{new}", text.join("---")));
    let before = lab.topology().clone();
    let start = Instant::now();
    let what = lab.update(plan::replan(&changed, &options, &before)?)?;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let names = |keys: &[plan::PodKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(
        (names(&what.added), names(&what.removed)),
        ("shop/another".to_owned(), "shop/web-2".to_owned())
    );

    assert_eq!(address(&lab, "web", Family::V4)?, web, "a Service keeps its address");
    let left: BTreeSet<String> = ["web-1", "web-3"].map(str::to_owned).into();
    assert_eq!(answering(|| call(&place, web, 80))?, left);
    let (another, _) = pod(&lab, "shop/another", Family::V4)?;
    serve(another, "another", 9000)?;
    for family in Family::BOTH {
        let to = address(&lab, "another", family)?;
        assert!(call(&place, to, 80)?.starts_with("another"));
        assert!(call(lab.outside(), to, 80)?.starts_with("another"));
    }
    // And back: a pod of before comes again, at an address that works.
    let now = lab.topology().clone();
    lab.update(plan::replan(&read(SHOP), &options, &now)?)?;
    serve(pod(&lab, "shop/web-2", Family::V4)?.0, "web-2", 8081)?;
    assert!(answering(|| call(&place, web, 80))?.contains("web-2"));
    say(&mut held)?;
    Ok(())
}

/// A connection from the client through the Service to web-1, which sends back what it gets.
fn hold(lab: &Lab, web: IpAddr) -> Result<TcpStream, Failed> {
    let listener = pod(lab, "shop/web-1", Family::V4)?.0.run(|| TcpListener::bind("0.0.0.0:7000"))??;
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
    });
    let place = pod(lab, "shop/client", Family::V4)?.0;
    // Only one of the backends listens.
    let reached = place.run(|| (0..60).find_map(|_| TcpStream::connect((web, 7000)).ok()))?;
    let stream = reached.ok_or("web-1 was never chosen")?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(stream)
}

/// Sends something over a held connection and waits for it.
fn say(held: &mut TcpStream) -> Outcome {
    let mut byte = [0];
    held.write_all(b"x")?;
    held.read_exact(&mut byte)?;
    assert_eq!(&byte, b"x");
    Ok(())
}
