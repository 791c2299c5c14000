//! The known names that are nearest to a mistyped one. In: a name and the known names. Out: a few of them, best first.

/// How alike two names must be (Jaro-Winkler, 0 to 1) for one to be offered instead of the other.
const ALIKE: f64 = 0.75;

/// How alike names are that differ by one slip: a letter too many, too few, wrong, or two swapped.
const ONE_SLIP: f64 = 0.9;

/// A name that is so much less alike than the best one is not offered beside it.
const FAR_BEHIND: f64 = 0.1;

/// How many names are offered.
const OFFERED: usize = 3;

/// The known names that the reader may have meant, best first; equally good ones in alphabetical order.
#[must_use]
pub fn nearest<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let mut scored: Vec<(f64, String)> = known
        .into_iter()
        .map(|known| (likeness(&name, &known.as_ref().to_ascii_lowercase()), known.as_ref().to_owned()))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    scored.retain(|(score, _)| *score >= best - FAR_BEHIND);
    scored.into_iter().take(OFFERED).map(|(_, known)| known).collect()
}

/// Of the whole names, or of the last parts if the asked name has no namespace and the known one does.
fn likeness(name: &str, known: &str) -> f64 {
    let whole = alike(name, known);
    match known.rsplit_once('/') {
        Some((_, last)) if !name.contains('/') => whole.max(alike(name, last)),
        _ => whole,
    }
}

/// Jaro-Winkler, which counts a slip of the finger too much in short names: one of those is enough.
fn alike(name: &str, known: &str) -> f64 {
    let score = strsim::jaro_winkler(name, known);
    if strsim::damerau_levenshtein(name, known) <= 1 { score.max(ONE_SLIP) } else { score }
}

/// `` `a`, `b` or `c` ``.
#[must_use]
pub fn one_of(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        assert_eq!(
            nearest("posgres", ["data/postgres", "shop/api", "data/postgres-backup"])[0],
            "data/postgres"
        );
        assert_eq!(nearest("wbe", ["shop/web", "shop/api"]), ["shop/web"]);
        assert!(nearest("zzz", ["shop/api"]).is_empty());
        assert_eq!(one_of(&["a".to_owned(), "b".to_owned(), "c".to_owned()]), "`a`, `b` or `c`");
        assert_eq!(one_of(&["a".to_owned()]), "`a`");
    }
}
