//! Pods reach each other, their nodes and the outside, in both families, and are seen with their own addresses.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use libtest_mimic::Trial;
use ringfence_lab::{lab::Lab, plan::Options};
use ringfence_model::address::Family;

use crate::{
    Outcome,
    cluster::{call, pod, read, serve, up},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![every_pair_both_families, any_address_outside_both_ways, two_labs_side_by_side, two_hundred_pods]
}

const FIVE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec: {nodeName: one, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop}
spec: {nodeName: one, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop}
spec: {nodeName: two, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: h, namespace: shop}
spec: {nodeName: two, hostNetwork: true, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far, namespace: shop}
spec: {nodeName: two, containers: [{name: c, image: i}]}
status: {phase: Running, podIP: 100.100.1.1, podIPs: [{ip: 100.100.1.1}]}
";

fn dual() -> Options {
    Options { dual_stack: true, ..Options::default() }
}

fn every_pair_both_families() -> Outcome {
    let lab = up(&read(FIVE), &dual())?;
    let names = ["shop/a", "shop/b", "shop/c", "shop/h", "shop/far"];
    for name in names {
        serve(pod(&lab, name, Family::V4)?.0, name, 8080)?;
    }
    for family in Family::BOTH {
        for from in names {
            for to in names {
                let ((place, source), (_, target)) = (pod(&lab, from, family)?, pod(&lab, to, family)?);
                assert_eq!(call(place, target, 8080)?, format!("{to} {source} {target}"), "{from} to {to}");
            }
        }
    }
    assert!(pod(&lab, "shop/far", Family::V4)?.1.to_string() == "100.100.1.1");
    Ok(())
}

/// The outside host answers at whatever address it is called, and calls from whatever address it likes.
fn any_address_outside_both_ways() -> Outcome {
    let lab = up(&read(FIVE), &dual())?;
    serve(lab.outside(), "outside", 443)?;
    for name in ["shop/a", "shop/c", "shop/h"] {
        serve(pod(&lab, name, Family::V4)?.0, name, 8080)?;
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "10.0.0.1",
            "169.254.169.254",
            "192.168.77.7",
            "2606:4700::1111",
            "fd12::1",
        ] {
            let address: IpAddr = address.parse()?;
            let (place, own) = pod(&lab, name, Family::of(address))?;
            assert_eq!(call(place, address, 443)?, format!("outside {own} {address}"));
            let seen = lab.outside().run(|| call_from(address, own, 8080))??;
            assert_eq!(seen, format!("{name} {address} {own}"));
        }
    }
    let own = lab.topology().outside.own.clone();
    assert_eq!(own.len(), 2);
    for address in own {
        let (_, target) = pod(&lab, "shop/a", Family::of(address))?;
        assert_eq!(call(lab.outside(), target, 8080)?, format!("shop/a {address} {target}"));
    }
    Ok(())
}

/// Calls from a chosen source address.
fn call_from(from: IpAddr, to: IpAddr, port: u16) -> std::io::Result<String> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
    use std::{io::Read, net::TcpStream, os::fd::AsRawFd};
    let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::empty(), None)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0)))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(to, port)))?;
    let mut answer = String::new();
    TcpStream::from(socket).read_to_string(&mut answer)?;
    Ok(answer)
}

fn two_labs_side_by_side() -> Outcome {
    let labs: Vec<Lab> = vec![up(&read(FIVE), &dual())?, up(&read(FIVE), &dual())?];
    for (lab, name) in labs.iter().zip(["first", "second"]) {
        serve(pod(lab, "shop/c", Family::V4)?.0, name, 8080)?;
    }
    for (lab, name) in labs.iter().zip(["first", "second"]) {
        let (target, (place, _)) = (pod(lab, "shop/c", Family::V4)?.1, pod(lab, "shop/a", Family::V4)?);
        assert!(call(place, target, 8080)?.starts_with(name));
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a measurement")]
fn two_hundred_pods() -> Outcome {
    for pods in [30, 200] {
        let mut text = String::new();
        for number in 0..pods {
            text.push_str(&format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{number:03}, namespace: shop}}\nspec: {{containers: [{{name: c, image: i}}]}}\n"
            ));
        }
        let cluster = read(&text);
        let start = Instant::now();
        let lab = up(&cluster, &Options { nodes: Some(3), ..dual() })?;
        let took = start.elapsed();
        eprintln!("{pods} pods on 3 nodes, dual stack, up in {} ms", took.as_millis());
        assert!(took.as_secs() < 20);
        let last = format!("shop/p{:03}", pods - 1);
        serve(pod(&lab, &last, Family::V4)?.0, "last", 80)?;
        for family in Family::BOTH {
            let target = pod(&lab, &last, family)?.1;
            assert!(call(pod(&lab, "shop/p000", family)?.0, target, 80)?.starts_with("last"));
        }
        let start = Instant::now();
        drop(lab);
        eprintln!("{pods} pods down in {} ms", start.elapsed().as_millis());
    }
    Ok(())
}
