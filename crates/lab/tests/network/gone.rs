//! However a lab ends, nothing of it stays. The kernel counts the network namespaces of a user namespace against a limit, so a
//! second lab that fits only without the first proves that the first is gone.

use std::{
    fs,
    io::{BufRead, BufReader},
    thread,
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ringfence_lab::{
    lab::Lab,
    namespace::{self, Namespace},
    plan::Options,
};

use crate::{
    Outcome,
    children::{finish, own_user_namespace, start},
    cluster::{read, up},
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![after_drop_exit_panic_abort_interrupt_and_kill]
}

const PODS: usize = 6;

pub(crate) fn lab() -> Result<Lab, Failed> {
    let pod = |number| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}, namespace: shop, labels: {{app: web}}}}\nspec: {{containers: [{{name: c, image: i}}]}}\n"
        )
    };
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n";
    let text: String = (0..PODS).map(pod).collect::<String>() + service;
    let mut lab = up(&read(&text), &Options { dual_stack: true, ..Options::default() })?;
    lab.answer_dns()?;
    Ok(lab)
}

/// Tries until it works. The kernel removes namespaces in the background, those that an attempt leaves too, so there is more and
/// more time between the attempts; on a busy machine it takes seconds.
fn in_time<T>(what: &str, attempt: impl Fn() -> Result<T, Failed>) -> Result<T, Failed> {
    let mut last = None;
    for doubled in 0..8 {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(failed) => last = failed.message().map(str::to_owned),
        }
        thread::sleep(Duration::from_millis(100 << doubled));
    }
    Err(format!("not in time: {what}: {}", last.unwrap_or_default()).into())
}

/// Pods, two nodes, fabric and outside.
const NAMESPACES: usize = PODS + 4;

/// Builds a lab, says so, and ends in some way.
#[expect(clippy::print_stdout, clippy::panic, reason = "tells the parent; one way to end is a panic")]
pub(crate) fn hold(role: &str) -> Outcome {
    in_time("there is room for the process", || Ok(namespace::enter()?))?;
    let _lab = in_time("there is room for a lab", lab)?;
    println!("up");
    match role {
        "exit" => std::process::exit(0),
        "panic" => panic!("as asked"),
        "abort" => std::process::abort(),
        _ => thread::sleep(Duration::from_secs(30)),
    }
    Ok(())
}

/// In a user namespace of its own, which has room for one lab at a time.
pub(crate) fn counts() -> Outcome {
    own_user_namespace()?;
    namespace::enter()?;
    // This process, the one that holds the lab, and the lab.
    fs::write("/proc/sys/user/max_net_namespaces", (2 + NAMESPACES).to_string())?;
    let room = || -> Outcome {
        let made: Result<Vec<Namespace>, _> = (0..NAMESPACES).map(|_| Namespace::create()).collect();
        made?;
        Ok(())
    };
    room()?;
    let lab = in_time("there is room for a lab", lab)?;
    assert!(room().is_err(), "the lab counts");
    drop(lab);
    in_time("a lab that was dropped is gone", room)?;
    for way in ["exit", "panic", "abort", "interrupt", "kill"] {
        let mut child = start(way)?;
        let mut first = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut first)?;
        let signal = match way {
            "interrupt" => Some(Signal::SIGINT),
            "kill" => Some(Signal::SIGKILL),
            _ => None,
        };
        if let Some(signal) = signal {
            let refusal = (0..NAMESPACES).find_map(|_| Namespace::create().err()).ok_or("no limit")?;
            assert!(refusal.is_forbidden() && refusal.to_string().contains("root"), "{refusal}");
            kill(Pid::from_raw(i32::try_from(child.id())?), signal)?;
        }
        let output = child.wait_with_output()?;
        assert_eq!(first, "up\n", "{way}: {}", String::from_utf8_lossy(&output.stderr));
        in_time(&format!("a lab is gone after {way}"), room)?;
    }
    Ok(())
}

fn after_drop_exit_panic_abort_interrupt_and_kill() -> Outcome {
    finish("counts")
}
