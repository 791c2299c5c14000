//! What a finding is, wherever it stands. In: findings and the objects of the input. Out: for each the object that it is
//! in and a fingerprint that stays when lines move, files are read in another order, or text elsewhere is changed.

use crc::{CRC_64_XZ, Crc};
use ringfence_model::{
    object::ObjectRef,
    origin::{Origin, Sources},
};

use crate::{finding::Finding, input::Input};

/// A checksum that is the same on every machine and in every version.
const CHECKSUM: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// Makes fingerprints of the findings about one input.
#[derive(Debug)]
pub struct Fingerprints<'a> {
    sources: &'a Sources,
    /// By place, an object before those within it.
    objects: Vec<&'a ObjectRef>,
}

/// What a finding is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint {
    /// Kind, namespace and name of the object that the finding is in: `NetworkPolicy shop/api`; empty outside of all.
    pub object: String,
    /// Sixteen hexadecimal digits made of the rule, the object, the message, and the marked text with any run of white
    /// space as one space.
    pub hash: String,
}

impl<'a> Fingerprints<'a> {
    /// For the findings about an input.
    #[must_use]
    pub fn new(input: &'a Input) -> Self {
        let mut objects: Vec<&ObjectRef> =
            input.documents.iter().filter(|object| object.body.is_some()).collect();
        objects.sort_by_key(|object| {
            let Origin { source, start, end } = object.body;
            (source, start, std::cmp::Reverse(end))
        });
        Self { sources: &input.compiled.cluster().sources, objects }
    }

    /// The innermost object that a place begins in.
    #[must_use]
    pub fn object(&self, at: Origin) -> Option<&'a ObjectRef> {
        let after = self.objects.partition_point(|object| {
            let body = object.body;
            (body.source, body.start) <= (at.source, at.start)
        });
        let before = self.objects.get(..after)?.iter().rev();
        before
            .take_while(|object| object.body.source == at.source)
            .find(|object| at.start < object.body.end)
            .copied()
    }

    /// The fingerprint of a finding.
    #[must_use]
    pub fn of(&self, finding: &Finding) -> Fingerprint {
        let object = self.object(finding.origin).map(named).unwrap_or_default();
        let mut digest = CHECKSUM.digest();
        let marked = self.marked(finding.origin);
        for part in
            [finding.rule.code, &object, &finding.message].into_iter().chain(marked.split_whitespace())
        {
            digest.update(part.as_bytes());
            // No text holds this byte, so that pieces cannot run into each other.
            digest.update(&[0xff]);
        }
        Fingerprint { object, hash: format!("{:016x}", digest.finalize()) }
    }

    fn marked(&self, at: Origin) -> &'a str {
        let text = self
            .sources
            .get(at.source)
            .and_then(|source| source.text.get(at.start as usize..at.end as usize));
        text.unwrap_or_default()
    }
}

/// Kind, namespace and name of an object as people write them.
fn named(object: &ObjectRef) -> String {
    match &object.namespace {
        Some(namespace) => format!("{} {namespace}/{}", object.kind, object.name),
        None => format!("{} {}", object.kind, object.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, check};

    const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress:
    - to: []
";

    /// `object hash` of every finding, by file.
    fn found(texts: &[(&str, String)]) -> Vec<String> {
        let texts = texts
            .iter()
            .map(|(name, text)| ringfence_manifest::Input { name: (*name).to_owned(), text: text.clone() });
        let input = Input::read(texts.collect(), &Settings::default());
        let fingerprints = Fingerprints::new(&input);
        let settings = Settings { select: vec!["RF503".to_owned()], ..Settings::default() };
        let mut found: Vec<String> = check(&input, &settings)
            .findings
            .iter()
            .map(|finding| {
                let Fingerprint { object, hash } = fingerprints.of(finding);
                format!("{object} {hash}")
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn a_fingerprint_stays_when_text_moves() {
        let (a, b) = (POLICY.replace("NAME", "a"), POLICY.replace("NAME", "b"));
        let first = found(&[("a.yaml", a.clone()), ("b.yaml", b.clone())]);
        assert_eq!(first.len(), 2);
        assert_ne!(first[0], first[1]);
        assert!(first[0].starts_with("NetworkPolicy shop/a "), "{}", first[0]);
        // Another order, one file, comments and blank lines, another style elsewhere in the object.
        let moved = format!("# about b\n\n{b}---\n{}", a.replace("[Ingress]", "\n    - Ingress  # only\n"));
        assert_eq!(found(&[("both.yaml", moved)]), first);
        let renamed = found(&[("a.yaml", POLICY.replace("NAME", "c"))]);
        assert!(!first.contains(&renamed[0]));
    }

    #[test]
    fn items_of_lists_are_objects_of_their_own() {
        let item = POLICY.replace("NAME", "a").replace('\n', "\n    ");
        let list = format!("apiVersion: v1\nkind: List\nitems:\n  - {}", item.trim_end());
        let first = found(&[("a.yaml", POLICY.replace("NAME", "a"))]);
        assert_eq!(found(&[("list.yaml", list)]), first);
    }
}
