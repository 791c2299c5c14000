//! Realistic clusters of any size. In: how many pods and policies, and a seed. Out: manifests as text, the same ones
//! for the same seed on every machine.
//!
//! A cluster is planned first ([`layout`] puts applications into namespaces and pods on nodes, [`traffic`] says who
//! calls whom, [`policies`] allows that) and then written ([`manifests`], [`policy_manifests`]). The plan has what
//! makes real clusters hard: shared labels, cross-namespace peers, named ports, networks with exceptions, StatefulSets
//! whose pods differ in a label, host-network pods, finished Jobs, workloads without pods.

mod dialects;
mod dice;
mod layout;
mod manifests;
mod names;
mod policies;
mod policy_manifests;
mod traffic;

use dice::Dice;

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Pods, finished ones included.
    pub pods: usize,
    /// Policies of all kinds.
    pub policies: usize,
    /// Everything that is left to chance follows from it.
    pub seed: u64,
    /// Whether some of the policies are ClusterNetworkPolicies (two in a hundred, at most ten).
    pub tiers: bool,
    /// Whether some of the policies are CiliumNetworkPolicies (one in ten).
    pub cilium: bool,
}

impl Scenario {
    /// NetworkPolicies only.
    #[must_use]
    pub fn new(pods: usize, policies: usize, seed: u64) -> Self {
        Self { pods, policies, seed, tiers: false, cilium: false }
    }

    /// The manifests, in several files as a team would keep them.
    #[must_use]
    pub fn files(&self) -> Vec<File> {
        let mut dice = Dice::new(self.seed);
        let layout = layout::layout(&mut dice, self.pods);
        let calls = traffic::calls(&mut dice, &layout);
        let tiers = if self.tiers { (self.policies / 50).clamp(1, 10).min(self.policies) } else { 0 };
        let cilium = if self.cilium { self.policies / 10 } else { 0 };
        let network = policies::policies(&mut dice, &layout, &calls, self.policies - tiers - cilium);
        let mut files = manifests::files(&layout);
        files.extend(policy_manifests::files(&layout, &network));
        files.extend(dialects::tiers(&layout, tiers));
        files.extend(dialects::cilium(&mut dice, &layout, &calls, cilium));
        files.sort_by(|a, b| a.name.cmp(&b.name));
        files
    }
}

/// One file of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the cluster's directory, with forward slashes.
    pub name: String,
    /// YAML documents.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(files: &[File], line: &str) -> usize {
        files.iter().flat_map(|file| file.text.lines()).filter(|found| *found == line).count()
    }

    #[test]
    fn the_numbers_asked_for_are_met() {
        for (pods, policies) in [(0, 0), (1, 1), (60, 30), (400, 200), (2_000, 5_000)] {
            let files = Scenario::new(pods, policies, 7).files();
            assert_eq!(count(&files, "kind: Pod"), pods);
            assert_eq!(count(&files, "kind: NetworkPolicy"), policies);
        }
    }

    #[test]
    fn dialects_count_as_policies() {
        let scenario = Scenario { tiers: true, cilium: true, ..Scenario::new(400, 200, 7) };
        let files = scenario.files();
        assert_eq!(count(&files, "kind: ClusterNetworkPolicy"), 4);
        assert_eq!(count(&files, "kind: CiliumNetworkPolicy"), 20);
        assert_eq!(count(&files, "kind: NetworkPolicy"), 176);
    }

    #[test]
    fn a_seed_means_one_cluster() {
        let scenario = Scenario::new(300, 100, 7);
        assert_eq!(scenario.files(), scenario.files());
        assert_ne!(scenario.files(), Scenario { seed: 8, ..scenario }.files());
    }
}
