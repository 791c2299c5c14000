//! A small run of `cargo xtask differential --kernel`: real packets against the engine. The command enters namespaces of its
//! own. Where they are forbidden the test says so and passes, unless `CI` is set: then it fails.

use std::process::Command;

#[test]
fn kernels_do_what_the_engine_says() {
    let command = env!("CARGO_BIN_EXE_xtask");
    let arguments = ["differential", "--kernel", "--packets", "2000", "--seed", "4000"];
    let output = Command::new(command).args(arguments).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        assert!(said.contains("engine, programs and kernels agree"), "{said}");
        return;
    }
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    assert!(!ci && complained.contains("may not make user and network namespaces"), "{said}{complained}");
    eprintln!("no packet can be sent: {complained}");
}
