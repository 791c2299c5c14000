//! Whether two names are a slip of the finger apart. In: two names. Out: yes or no.

/// Names this long differ by one letter only by mistake.
const LONG: usize = 5;

/// A part of a name that is so short is a member of a series (`a`, `b`; `v1`, `v2`) and no word.
const SERIES: usize = 2;

/// Whether one is most likely the other mistyped: a letter too many, too few, wrong, or two swapped; another case or another
/// separator. Never names of a series: `db-1` and `db-2`, `zone-a` and `zone-b`.
pub(crate) fn is_slip(wanted: &str, actual: &str) -> bool {
    if wanted == actual || !is_near(wanted.as_bytes(), actual.as_bytes()) {
        return false;
    }
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
    let (wanted, actual) = (plain(wanted), plain(actual));
    if wanted == actual || wanted.replace('-', "") == actual.replace('-', "") {
        return true;
    }
    let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
    if digits(&wanted) != digits(&actual) || in_series(&wanted, &actual) {
        return false;
    }
    let shorter = wanted.len().min(actual.len());
    let same_length = wanted.len() == actual.len();
    strsim::damerau_levenshtein(&wanted, &actual) == 1
        && (shorter >= LONG
            || (!same_length && shorter >= LONG - 1)
            || (same_length && shorter >= LONG - 2 && swapped(&wanted, &actual)))
}

/// Whether all but a letter or two agree, from both ends. It costs next to nothing and sorts out almost all pairs.
fn is_near(a: &[u8], b: &[u8]) -> bool {
    let shorter = a.len().min(b.len());
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let plain = |byte: u8| if matches!(byte, b'_' | b'.') { b'-' } else { byte.to_ascii_lowercase() };
    let same = |(a, b): &(&u8, &u8)| plain(**a) == plain(**b);
    let front = a.iter().zip(b).take_while(same).count();
    let back = a.iter().rev().zip(b.iter().rev()).take_while(same).count();
    front + back + 2 >= shorter
}

/// Whether the two have the same letters.
fn swapped(a: &str, b: &str) -> bool {
    let sorted = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(a) == sorted(b)
}

/// Whether they differ in one short part between separators.
fn in_series(a: &str, b: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('-').collect(), b.split('-').collect());
    if a.len() != b.len() {
        return false;
    }
    let mut different = a.iter().zip(&b).filter(|(a, b)| a != b);
    a.len() > 1
        && different.next().is_some_and(|(a, b)| a.len() <= SERIES && b.len() <= SERIES)
        && different.next().is_none()
}

/// Keys that tools use for one and the same thing: the name of an application.
const NAME_KEYS: [&str; 6] =
    ["app", "app.kubernetes.io/name", "k8s-app", "name", "app.kubernetes.io/component", "component"];

/// Whether one key is most likely the other mistyped, or the same by the habit of another tool (`app` and
/// `app.kubernetes.io/name`).
pub(crate) fn others_keys(wanted: &str, actual: &str) -> bool {
    let both_names = NAME_KEYS.contains(&wanted) && NAME_KEYS.contains(&actual);
    let last = |key: &str| key.rsplit('/').next().unwrap_or(key).to_owned();
    wanted != actual && (both_names || is_slip(wanted, actual) || last(wanted) == last(actual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_one_letter_of_a_word() {
        for (a, b) in [
            ("frontend", "fronted"),
            ("wbe", "web"),
            ("Frontend", "frontend"),
            ("my_app", "my-app"),
            ("posgres", "postgres"),
        ] {
            assert!(is_slip(a, b), "{a} {b}");
        }
    }

    #[test]
    fn members_of_a_series_and_other_words_are_no_slips() {
        for (a, b) in [
            ("db-1", "db-2"),
            ("zone-a", "zone-b"),
            ("web1", "web2"),
            ("api", "app"),
            ("dev", "prod"),
            ("prod", "prom"),
            ("web", "web"),
            ("api", "ap"),
            ("server-v1", "server-v2"),
        ] {
            assert!(!is_slip(a, b), "{a} {b}");
        }
    }

    #[test]
    fn keys_of_other_tools_are_the_same_thing() {
        assert!(others_keys("app", "app.kubernetes.io/name"));
        assert!(others_keys("example.com/tier", "tier"));
        assert!(!others_keys("tier", "role"));
    }
}
