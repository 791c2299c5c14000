//! Who has rights at the API server, and so talks to it. In: the bindings of the input. Out: service accounts, each with the
//! binding that names it; and whether a workload's pods get a token.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_manifest::locate::Step;
use ringfence_model::{
    Text,
    object::ObjectRef,
    origin::Origin,
    workload::{Workload, WorkloadKind},
};

use crate::context::Context;

/// Service accounts with rights.
pub(super) struct Bound<'c, 'a> {
    context: &'c Context<'a>,
    /// By namespace and name: the binding.
    accounts: BTreeMap<(String, String), Origin>,
    /// Accounts whose pods get no token unless they ask for one.
    without_token: BTreeSet<(&'c str, &'c str)>,
}

impl<'c, 'a> Bound<'c, 'a> {
    pub(super) fn new(context: &'c Context<'a>) -> Self {
        let of_kind = |kinds: &'static [&'static str]| {
            context.documents.iter().filter(move |object| kinds.contains(&&*object.kind))
        };
        // Who may use a policy for pods has no business with the API server for that.
        let admissions: BTreeSet<(&str, Option<&Text>, &str)> = of_kind(&["Role", "ClusterRole"])
            .filter(|role| is_only_for_use(context, role))
            .map(|role| (&*role.kind, role.namespace.as_ref(), &*role.name))
            .collect();
        let mut accounts = BTreeMap::new();
        for binding in of_kind(&["RoleBinding", "ClusterRoleBinding"]) {
            let text = |path: &[Step<'_>]| text(context, binding.origin, path);
            let role = text(&["roleRef".into(), "kind".into()]).zip(text(&["roleRef".into(), "name".into()]));
            let Some((kind, role)) = role else { continue };
            let home = binding.namespace.as_ref().filter(|_| kind == "Role");
            if admissions.contains(&(kind.as_str(), home, role.as_str())) {
                continue;
            }
            for number in 0_usize.. {
                let field = |name: &'static str| text(&["subjects".into(), number.into(), name.into()]);
                let Some(kind) = field("kind") else { break };
                if let (true, Some(name)) = (kind == "ServiceAccount", field("name")) {
                    let own = || binding.namespace.as_deref().map(str::to_owned);
                    let Some(namespace) = field("namespace").or_else(own) else { continue };
                    accounts.entry((namespace, name)).or_insert(binding.origin);
                }
            }
        }
        let without_token = of_kind(&["ServiceAccount"])
            .filter(|account| {
                text(context, account.origin, &["automountServiceAccountToken".into()]).as_deref()
                    == Some("false")
            })
            .filter_map(|account| Some((account.namespace.as_deref()?, &*account.name)))
            .collect();
        Self { context, accounts, without_token }
    }

    /// Whether there is nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The binding that gives the pods of a workload rights at the API server, if they get a token.
    pub(super) fn binding(&self, workload: &Workload) -> Option<Origin> {
        let pod = workload.pods.first().and_then(|id| self.context.cluster.pod(*id))?;
        let account = (pod.namespace.to_string(), pod.service_account.to_string());
        let binding = self.accounts.get(&account)?;
        let field = Step::from("automountServiceAccountToken");
        let [spec, template, job] = ["spec", "template", "jobTemplate"].map(Step::from);
        let asked = match workload.kind {
            WorkloadKind::Pod => text(self.context, workload.origin, &[spec, field]),
            WorkloadKind::CronJob => {
                text(self.context, workload.origin, &[spec, job, spec, template, spec, field])
            }
            _ => text(self.context, workload.origin, &[spec, template, spec, field]),
        };
        let token = match asked.as_deref() {
            Some(asked) => asked != "false",
            None => !self.without_token.contains(&(&*pod.namespace, &*pod.service_account)),
        };
        token.then_some(*binding)
    }
}

/// A text of the object that holds an origin.
fn text(context: &Context<'_>, object: Origin, path: &[Step<'_>]) -> Option<String> {
    let value = context.places.root_value(object, path)?;
    Some(context.places.text(value)?.trim_matches(['"', '\'']).to_owned())
}

/// Whether all that a role gives is the verb `use`: of security policies for pods.
fn is_only_for_use(context: &Context<'_>, role: &ObjectRef) -> bool {
    let verb = |rule: usize, number: usize| {
        text(context, role.origin, &["rules".into(), rule.into(), "verbs".into(), number.into()])
    };
    let rules = (0_usize..).take_while(|rule| {
        context.places.root_value(role.origin, &["rules".into(), (*rule).into()]).is_some()
    });
    let mut rules = rules.peekable();
    rules.peek().is_some()
        && rules.all(|rule| verb(rule, 0).as_deref() == Some("use") && verb(rule, 1).is_none())
}
