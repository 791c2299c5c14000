//! Inputs that were fuzzed once are tests for ever. In: fuzz/corpus and fuzz/crashes. Out: no panic.

use std::path::Path;

#[test]
fn no_kept_input_crashes_its_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz");
    for (name, target) in ringfence_fuzz::TARGETS {
        let mut inputs = 0;
        for kept in ["corpus", "crashes"] {
            let directory = fuzz.join(kept).join(name);
            // Crashes are there only once there was one.
            let Ok(entries) = std::fs::read_dir(directory) else { continue };
            for entry in entries {
                target(&std::fs::read(entry.unwrap().path()).unwrap());
                inputs += 1;
            }
        }
        assert!(inputs > 0, "the corpus of {name} is empty");
    }
}
