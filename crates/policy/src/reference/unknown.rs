//! Facts that the input does not hold. In: tests whose answer is not known, and what follows from each answer.
//! Out: decision trees, from which one reads whether the answers matter, and which of them.
//!
//! A [`Tree`] is a function from the answers of unknown tests to a value. Tests are numbered in the order in which
//! they come up and a path meets them in ascending order; a test whose answer changes nothing is left out. A tree
//! is therefore unique for its function: a side is decided if and only if its tree has no test left, and what is
//! missing are the facts of the tests that are left.

use std::rc::Rc;

use ringfence_model::verdict::Missing;

/// Whether two values lead to the same outcome. Less than equality: values may differ in their reasons.
pub(super) trait Alike {
    /// Whether both lead to the same outcome.
    fn alike(&self, other: &Self) -> bool;
}

impl Alike for bool {
    fn alike(&self, other: &Self) -> bool {
        self == other
    }
}

impl<T: Alike> Alike for Vec<T> {
    fn alike(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(left, right)| left.alike(right))
    }
}

impl<T: Alike> Alike for Option<T> {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (None, None) => true,
            (Some(left), Some(right)) => left.alike(right),
            _ => false,
        }
    }
}

/// A question that the input does not answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    /// Its place in the order of evaluation.
    pub(super) number: u32,
    /// Which of the possible answers it offers; tells apart tests of one number.
    pub(super) variant: u8,
    /// The facts that would answer it.
    pub(super) facts: Vec<Missing>,
}

/// A value, or a test with one tree for each answer. Of a yes-or-no test the first answer is yes.
#[derive(Clone, Debug)]
pub(super) enum Tree<T> {
    /// No test matters.
    Known(T),
    /// The value depends on the answer.
    Depends(Rc<Test>, Vec<Tree<T>>),
}

impl<T: Alike + Clone> Tree<T> {
    /// A test with its answers; if all answers lead to the same, the last of them (no match) without the test.
    pub(super) fn depends(test: Rc<Test>, mut answers: Vec<Self>) -> Self {
        if answers.windows(2).all(|pair| matches!(pair, [left, right] if left.alike(right)))
            && let Some(last) = answers.pop()
        {
            return last;
        }
        Self::Depends(test, answers)
    }

    /// The same tree with other values.
    pub(super) fn map<U: Alike + Clone>(&self, change: &impl Fn(&T) -> U) -> Tree<U> {
        match self {
            Self::Known(value) => Tree::Known(change(value)),
            Self::Depends(test, answers) => {
                Tree::depends(Rc::clone(test), answers.iter().map(|answer| answer.map(change)).collect())
            }
        }
    }

    /// The same tree with other values and the answers of each test turned round, so that what was a match on the last
    /// answer no longer is one.
    pub(super) fn turned(&self, change: &impl Fn(&T) -> T) -> Self {
        match self {
            Self::Known(value) => Self::Known(change(value)),
            Self::Depends(test, answers) => {
                let answers = answers.iter().rev().map(|answer| answer.turned(change)).collect();
                Self::depends(Rc::clone(test), answers)
            }
        }
    }

    /// Goes on from every value with a tree whose tests all come later than those of this tree.
    pub(super) fn then<U: Alike + Clone>(&self, next: &impl Fn(&T) -> Tree<U>) -> Tree<U> {
        match self {
            Self::Known(value) => next(value),
            Self::Depends(test, answers) => {
                Tree::depends(Rc::clone(test), answers.iter().map(|answer| answer.then(next)).collect())
            }
        }
    }

    /// What follows from the values of two trees together.
    pub(super) fn zip<U: Alike + Clone, V: Alike + Clone>(
        &self,
        other: &Tree<U>,
        join: &impl Fn(&T, &U) -> V,
    ) -> Tree<V> {
        match (self, other) {
            (Self::Known(left), Tree::Known(right)) => Tree::Known(join(left, right)),
            (Self::Depends(left, left_answers), Tree::Depends(right, right_answers)) if left == right => {
                let pairs = left_answers.iter().zip(right_answers);
                Tree::depends(Rc::clone(left), pairs.map(|(a, b)| a.zip(b, join)).collect())
            }
            (Self::Depends(left, answers), right) if !matches!(right, Tree::Depends(right, _) if **right < **left) => {
                Tree::depends(Rc::clone(left), answers.iter().map(|answer| answer.zip(other, join)).collect())
            }
            (_, Tree::Depends(right, answers)) => {
                Tree::depends(Rc::clone(right), answers.iter().map(|answer| self.zip(answer, join)).collect())
            }
            (Self::Depends(left, answers), Tree::Known(_)) => {
                Tree::depends(Rc::clone(left), answers.iter().map(|answer| answer.zip(other, join)).collect())
            }
        }
    }

    /// The value if every unknown test is answered with its last answer (no match).
    pub(super) fn last(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Depends(_, answers) => answers.last().and_then(Self::last),
        }
    }

    /// The facts of all tests in the tree.
    pub(super) fn facts(&self) -> Vec<Missing> {
        match self {
            Self::Known(_) => Vec::new(),
            Self::Depends(test, answers) => {
                test.facts.iter().cloned().chain(answers.iter().flat_map(Self::facts)).collect()
            }
        }
    }
}

impl<T: Alike> Alike for Tree<T> {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(left), Self::Known(right)) => left.alike(right),
            (Self::Depends(left, left_answers), Self::Depends(right, right_answers)) => {
                left == right && left_answers.alike(right_answers)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(number: u32) -> Rc<Test> {
        Rc::new(Test { number, variant: 0, facts: vec![Missing::NodeLabels(number.to_string().into())] })
    }

    fn uncertain(number: u32) -> Tree<bool> {
        Tree::depends(test(number), vec![Tree::Known(true), Tree::Known(false)])
    }

    #[test]
    fn a_test_whose_answer_changes_nothing_is_not_missing() {
        let either = uncertain(1).zip(&Tree::Known(true), &|a, b| *a || *b);
        assert!(matches!(either, Tree::Known(true)));
        // (1 and 2) or not 1 or not 2 is true however 1 and 2 are answered.
        let both = uncertain(1).zip(&uncertain(2), &|a, b| *a && *b);
        let not_both = uncertain(2).zip(&uncertain(1), &|a, b| !*a || !*b);
        assert!(matches!(both.zip(&not_both, &|a, b| *a || *b), Tree::Known(true)));
    }

    #[test]
    fn the_facts_are_those_that_the_value_depends_on() {
        let tree = uncertain(2).zip(&uncertain(1), &|a, b| *a && *b).zip(&uncertain(3), &|a, _| *a);
        let names: Vec<Missing> = ["1", "2"].map(|name| Missing::NodeLabels(name.into())).to_vec();
        assert_eq!(tree.facts(), names);
        assert_eq!(tree.last(), Some(&false));
    }
}
