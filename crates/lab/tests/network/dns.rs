//! DNS: names of Services and pods, with the machine's own resolver inside a pod, over UDP and TCP, from the cluster's DNS pods
//! or at the loopback.

use std::{
    net::{IpAddr, UdpSocket},
    process::{Command, Stdio},
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use ringfence_lab::{
    dns,
    lab::Lab,
    plan::{self, Options},
};
use ringfence_model::address::Family;

use crate::{
    Outcome,
    cluster::{pod, read, up},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![a_program_resolves_names, the_clusters_own_dns_answers_in_its_pod, names_follow_changes]
}

const SHOP: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: api.example.com}
";

const DNS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: c, image: i, ports: [{name: dns, containerPort: 1053, protocol: UDP}, {name: dns-tcp, containerPort: 1053, protocol: TCP}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP, targetPort: dns}, {name: dns-tcp, port: 53, protocol: TCP, targetPort: dns-tcp}]}
";

fn lab(text: &str) -> Result<Lab, Failed> {
    let mut lab = up(&read(text), &Options { dual_stack: true, ..Options::default() })?;
    lab.answer_dns()?;
    Ok(lab)
}

/// What the machine's resolver makes of a name inside a pod.
fn resolve(lab: &Lab, name: &str) -> Result<String, Failed> {
    let id = lab.pods().find(|(place, _)| place.key.to_string() == "shop/web").map(|(place, _)| place.id);
    let mut command = Command::new("getent");
    command.args(["ahostsv4", name]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = lab.spawn(id.ok_or("no pod")?, &mut command)?.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or_default().to_owned())
}

fn address_of(lab: &Lab, service: &str) -> Result<IpAddr, Failed> {
    let found =
        lab.cluster().service("shop", service).and_then(|service| service.cluster_ips.first().copied());
    found.ok_or_else(|| "no ClusterIP".into())
}

fn a_program_resolves_names() -> Outcome {
    let lab = lab(SHOP)?;
    let web = address_of(&lab, "web")?.to_string();
    for name in ["web", "web.shop", "web.shop.svc.cluster.local", "WEB.shop.svc"] {
        assert_eq!(resolve(&lab, name)?, web, "{name}");
    }
    let outside = lab.topology().names.get("api.example.com").and_then(|addresses| addresses.first());
    let outside = outside.ok_or("no address for the outside name")?.to_string();
    assert_eq!((resolve(&lab, "api.example.com")?, resolve(&lab, "alias")?), (outside.clone(), outside));
    let own = pod(&lab, "shop/web", Family::V4)?.1.to_string();
    assert_eq!(resolve(&lab, &format!("{}.shop.pod.cluster.local", own.replace('.', "-")))?, own);
    assert_eq!(resolve(&lab, "nothing.shop.svc.cluster.local")?, "");
    Ok(())
}

/// A question over UDP from a pod; whether the answer is for it, and how many answers it has.
fn ask(lab: &Lab, server: IpAddr, name: &str) -> Result<u16, Failed> {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len())?);
        question.extend(label.bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let (place, own) = pod(lab, "shop/web", Family::of(server))?;
    let socket = place.run(|| UdpSocket::bind((own, 0)))??;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect((server, 53))?;
    socket.send(&question)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    let count = answer.get(6..8).filter(|_| length > 12 && answer.starts_with(&[0x12, 0x34]));
    Ok(count.and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u16::from_be_bytes(*bytes)))
}

fn the_clusters_own_dns_answers_in_its_pod() -> Outcome {
    let lab = lab(&format!("{SHOP}---{DNS}"))?;
    let places = dns::places(lab.topology());
    assert_eq!(places.len(), 4, "two protocols, two families");
    assert!(places.iter().all(|place| place.at.port() == 1053));
    assert_eq!(resolve(&lab, "web.shop")?, address_of(&lab, "web")?.to_string());
    let server = lab.cluster().service("kube-system", "kube-dns").ok_or("no kube-dns")?.cluster_ips.clone();
    assert_eq!(server.len(), 2);
    for server in server {
        assert_eq!(ask(&lab, server, "web.shop.svc.cluster.local")?, 1);
        assert_eq!(ask(&lab, server, "nothing.shop.svc.cluster.local")?, 0);
    }
    Ok(())
}

fn names_follow_changes() -> Outcome {
    let mut lab = lab(SHOP)?;
    assert_eq!(resolve(&lab, "shelf")?, "");
    let more = "
apiVersion: v1
kind: Service
metadata: {name: shelf, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
";
    let options = Options { dual_stack: true, ..Options::default() };
    let now = lab.topology().clone();
    lab.update(plan::replan(&read(&format!("{SHOP}---{more}---{DNS}")), &options, &now)?)?;
    assert_eq!(resolve(&lab, "shelf")?, address_of(&lab, "shelf")?.to_string());
    Ok(())
}
