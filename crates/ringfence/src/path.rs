//! Paths relative to a directory. In: paths as people write them. Out: the same place, seen from elsewhere.

use std::path::{Component, Path, PathBuf};

use crate::input::name_of;

/// The absolute path of a place, without `.` and `..`; links are not followed. As it is if there is no working directory.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// A place as seen from a directory, with forward slashes: `../a/b.yaml`. Both paths are absolute.
pub(crate) fn relative(path: &Path, from: &Path) -> String {
    let shared = path.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(Component::ParentDir, from.components().count() - shared);
    let relative: PathBuf = up.chain(path.components().skip(shared)).collect();
    name_of(&relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_from_a_directory() {
        let named = |path: &str, from: &str| relative(Path::new(path), Path::new(from));
        assert_eq!(named("/repo/a/b.yaml", "/repo"), "a/b.yaml");
        assert_eq!(named("/repo/b.yaml", "/repo/a/c"), "../../b.yaml");
        assert_eq!(absolute(Path::new("/repo/a/../b/./c.yaml")), Path::new("/repo/b/c.yaml"));
    }
}
