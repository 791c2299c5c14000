//! Development tasks.
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let pods: usize = args[1].parse().unwrap();
    let policies: usize = args[2].parse().unwrap();
    for file in ringfence_scenario::Scenario::new(pods, policies, 1).files() {
        let path = std::path::Path::new(&args[3]).join(&file.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file.text).unwrap();
    }
}
