//! `ringfence lab` from the outside. In: the shop on real packets. Out: agreement, the promised formats and exit codes, and a lab
//! that stays up for other processes. Where this user may have no namespaces there is nothing to test but the message.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use support::ringfence;

/// The error of a machine on which no lab can run.
const FORBIDDEN: &str = "error[namespaces]";

#[test]
fn kernel_and_engine_agree_on_the_shop() {
    let run = ringfence(&["lab", "examples/shop", "--test", "examples/shop/matrix.md", "--format", "json"]);
    if run.err.contains(FORBIDDEN) {
        assert_eq!(run.code, 2);
        return;
    }
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report.get("version").unwrap(), 1);
    assert_eq!(report.get("disagreements").unwrap().as_array().unwrap().len(), 0);
    assert!(report.get("pods").unwrap().as_u64().unwrap() >= 19);
    assert_eq!(report.get("test").unwrap().get("failed").unwrap(), 0);
    assert!(run.err.contains("programs loaded on 3 nodes"), "{}", run.err);
}

#[test]
fn a_matrix_is_tried_on_packets() {
    let promises = "crates/ringfence/tests/matrices/promises.md";
    let run = ringfence(&["test", "examples/shop/matrix.md", "examples/shop", "--on", "lab", "--quiet"]);
    if run.err.contains(FORBIDDEN) {
        return;
    }
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let on = |judge| ringfence(&["test", promises, "examples/shop", "--on", judge, "--format", "tap"]);
    let (packets, engine) = (on("lab"), on("engine"));
    let rows = |out: &str| -> Vec<String> {
        out.lines()
            .filter(|line| line.starts_with("ok") || line.starts_with("not ok"))
            .map(str::to_owned)
            .collect()
    };
    let differ =
        rows(&packets.out).into_iter().zip(rows(&engine.out)).filter(|(packets, engine)| packets != engine);
    let differ: Vec<_> = differ.filter(|(packets, _)| !packets.contains("# SKIP")).collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert_eq!(packets.code, engine.code);
}

/// A lab that stays up, ended when the test ends.
struct Staying {
    child: Child,
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(runtime: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    command.current_dir(root).args(arguments).env("XDG_RUNTIME_DIR", runtime);
    command
}

#[test]
fn a_lab_that_stays_up_is_used_by_other_processes_and_takes_their_commands_with_it() {
    let runtime = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = command(runtime.path(), arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let child = command(runtime.path(), &["lab", "examples/shop", "--shell"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lab = Staying { child };
    let mut lines = BufReader::new(lab.child.stderr.take().unwrap()).lines().map_while(Result::ok);
    if !lines.any(|line| line.contains("stays up")) {
        // It has ended, because it may not run here.
        assert_eq!(lab.child.wait().unwrap().code(), Some(2));
        return;
    }
    let (code, listed) = run(&["lab", "list", "--format", "json"]);
    let facts: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, facts.get("pid").unwrap().as_u64()), (0, Some(u64::from(lab.child.id()))));
    let pods = facts.get("pods").unwrap().as_array().unwrap();
    let postgres = pods.iter().find(|pod| pod.get("name").unwrap() == "data/postgres").unwrap();
    let address = postgres.get("addresses").unwrap().get(0).unwrap().as_str().unwrap();

    let connect = |pod| run(&["lab", "exec", pod, "--", "connect", address, "5432"]);
    assert_eq!(connect("shop/api").0, 0);
    assert_eq!(connect("web").0, 1);
    assert_eq!(run(&["lab", "exec", "nobody", "--", "true"]).0, 2);
    assert_eq!(run(&["lab", "exec", "web", "--", "sh", "-c", "exit 7"]).0, 7);
    let newest = || {
        let (code, flows) = run(&["lab", "flows", "--format", "json"]);
        assert_eq!(code, 0);
        serde_json::from_str::<serde_json::Value>(flows.lines().last().unwrap()).unwrap()
    };
    // The kernel hands records over some at a time, after a tenth of a second at the latest.
    let is_of_web =
        |record: &serde_json::Value| record.get("from").unwrap().get("name").unwrap() == "shop/web";
    let mut records = std::iter::repeat_with(newest)
        .inspect(|record| {
            if !is_of_web(record) {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        })
        .take(40);
    let last = records.find(is_of_web).unwrap();
    assert_eq!(
        (last.get("verdict").unwrap(), last.get("to").unwrap().get("address").unwrap()),
        (&"denied".into(), &address.into())
    );

    let mut sleeper = command(runtime.path(), &["lab", "exec", "web", "--", "sleep", "60"]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    lab.child.kill().unwrap();
    assert_eq!(sleeper.wait().unwrap().code(), Some(137));
    assert!(run(&["lab", "list"]).1.contains("no lab runs"));
}

#[test]
fn a_program_is_shown() {
    let show = |more: &[&str]| {
        ringfence(&[&["dataplane", "show", "examples/shop", "--node", "worker-1"], more].concat())
    };
    let text = show(&[]);
    assert_eq!(text.code, 0, "{}", text.err);
    assert!(
        text.out.contains("table inet ringfence") && text.out.contains("# node worker-1: "),
        "{}",
        text.out
    );
    let json: serde_json::Value = serde_json::from_str(&show(&["--format", "json"]).out).unwrap();
    assert_eq!(json.get("node").unwrap(), "worker-1");
    let unknown = ringfence(&["dataplane", "show", "examples/shop", "--node", "nowhere"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("the nodes are control-1"), "{}", unknown.err);
}

#[test]
fn policies_without_workloads_are_not_agreed_on() {
    let lab = ringfence(&["lab", "examples/shop/network-policies"]);
    assert_eq!(lab.code, 2, "{}", lab.out);
    // Where no lab may run at all, that is said first.
    let forbidden = std::env::var_os("CI").is_none() && lab.err.contains("namespaces");
    assert!(forbidden || lab.err.contains("no pod or workload that runs"), "{}", lab.err);
}

#[test]
fn usage_that_makes_no_sense_ends_in_2() {
    for arguments in [
        &["lab"][..],
        &["lab", "exec", "web"],
        &["lab", "examples/shop", "--nodes", "0"],
        &["lab", "examples/shop", "--format", "svg"],
        &["test", "examples/shop/matrix.md", "examples/shop", "--on", "paper"],
    ] {
        assert_eq!(ringfence(arguments).code, 2, "{arguments:?}");
    }
}
