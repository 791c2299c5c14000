//! However a lab ends, nothing of it stays. The kernel counts the network namespaces of a user namespace against a limit, so a
//! second lab that fits only without the first proves that the first is gone.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use nix::{
    sched::{CloneFlags, unshare},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use ringfence_lab::{
    lab::Lab,
    namespace::{self, Namespace},
    plan::Options,
};

use crate::{
    Outcome,
    cluster::{eventually, read, up},
    trials,
};

/// Tells a child of this program what it is for.
const ROLE: &str = "RINGFENCE_LAB_TEST";

pub(crate) fn trials() -> Vec<Trial> {
    trials![after_drop_exit_panic_abort_interrupt_and_kill]
}

const PODS: usize = 6;

fn lab() -> Result<Lab, Failed> {
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

/// A lab as soon as there is room: the kernel removes namespaces in the background, those of a check for room (and of a lab that
/// did not fit) too, so there is time between the attempts.
fn lab_soon() -> Result<Lab, Failed> {
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(200));
        if let Ok(lab) = lab() {
            return Ok(lab);
        }
    }
    lab()
}

/// Pods, two nodes, fabric and outside.
const NAMESPACES: usize = PODS + 4;

/// Runs as what the environment says, if it says something.
#[expect(clippy::print_stderr, reason = "tells the parent")]
pub(crate) fn role() -> Option<ExitCode> {
    let role = env::var(ROLE).ok()?;
    let done = if role == "counts" { counts() } else { hold(&role) };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    })
}

/// Builds a lab, says so, and ends in some way.
#[expect(clippy::print_stdout, clippy::panic, reason = "tells the parent; one way to end is a panic")]
fn hold(role: &str) -> Outcome {
    namespace::enter()?;
    let _lab = lab_soon()?;
    println!("up");
    match role {
        "exit" => std::process::exit(0),
        "panic" => panic!("as asked"),
        "abort" => std::process::abort(),
        _ => thread::sleep(Duration::from_secs(30)),
    }
    Ok(())
}

fn start(role: &str) -> std::io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.env(ROLE, role).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

/// In a user namespace of its own, which has room for one lab at a time.
fn counts() -> Outcome {
    let (user, group) = (geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    namespace::enter()?;
    // This process, the one that holds the lab, and the lab.
    fs::write("/proc/sys/user/max_net_namespaces", (2 + NAMESPACES).to_string())?;
    let room = || (0..NAMESPACES).map(|_| Namespace::create()).collect::<Result<Vec<_>, _>>().is_ok();
    assert!(room());
    let lab = lab_soon()?;
    assert!(!room(), "the lab counts");
    drop(lab);
    eventually("a lab that was dropped is gone", room)?;
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
        eventually(&format!("a lab is gone after {way}"), room)?;
    }
    Ok(())
}

fn after_drop_exit_panic_abort_interrupt_and_kill() -> Outcome {
    let output = start("counts")?.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(())
}
