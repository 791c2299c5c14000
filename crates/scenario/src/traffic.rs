//! Who calls whom. In: a planned cluster. Out: calls between workloads and to addresses outside.

use std::collections::BTreeMap;

use crate::{
    dice::Dice,
    layout::{Layout, Role, Workload},
};

/// The calls of a cluster. Workloads go by number.
#[derive(Default)]
pub(crate) struct Calls {
    /// Callers of each workload, with the name of the port that they call.
    pub(crate) to: BTreeMap<usize, Vec<(usize, &'static str)>>,
    /// Callees of each workload, likewise.
    pub(crate) from: BTreeMap<usize, Vec<(usize, &'static str)>>,
    /// Workloads that call networks outside.
    pub(crate) outside: BTreeMap<usize, Outside>,
}

/// What a workload calls outside.
#[derive(Clone, Debug)]
pub(crate) enum Outside {
    /// The networks of a provider.
    Provider(Vec<String>),
    /// Any public address.
    Internet,
}

impl Calls {
    fn add(&mut self, from: usize, to: usize, port: &'static str) {
        self.to.entry(to).or_default().push((from, port));
        self.from.entry(from).or_default().push((to, port));
    }
}

/// The port that callers of a role use.
fn service_port(role: Role) -> Option<&'static str> {
    match role {
        Role::Database => Some("postgres"),
        Role::Cache => Some("redis"),
        Role::Queue => Some("amqp"),
        Role::Search | Role::Web | Role::Api => Some("http"),
        _ => None,
    }
}

/// Plans the calls.
pub(crate) fn calls(dice: &mut Dice, layout: &Layout) -> Calls {
    let mut calls = Calls::default();
    let apis = with_role(layout, Role::Api);
    let numbered: Vec<(usize, &Workload)> = layout.workloads.iter().enumerate().collect();
    for application in numbered.chunk_by(|a, b| a.1.application == b.1.application) {
        for (from, caller) in application {
            for (to, callee) in application {
                if calls_within(caller.role, callee.role)
                    && let Some(port) = service_port(callee.role)
                {
                    calls.add(*from, *to, port);
                }
            }
        }
    }
    for (from, caller) in &numbered {
        let others = match caller.role {
            Role::Api => dice.number(0, 3),
            Role::Worker => dice.number(0, 1),
            _ => 0,
        };
        for _ in 0..others {
            if let Some(to) = dice.pick(&apis)
                && to != from
            {
                calls.add(*from, *to, if dice.chance(40) { "grpc" } else { "http" });
            }
        }
        let outside = match caller.role {
            Role::Api if dice.chance(20) => Some(Outside::Provider(provider(dice))),
            Role::Worker if dice.chance(15) => Some(Outside::Internet),
            _ => None,
        };
        if let Some(outside) = outside {
            calls.outside.insert(*from, outside);
        }
    }
    calls
}

fn with_role(layout: &Layout, role: Role) -> Vec<usize> {
    let numbered = layout.workloads.iter().enumerate();
    numbered.filter(|(_, workload)| workload.role == role).map(|(at, _)| at).collect()
}

/// Who calls whom within an application.
fn calls_within(caller: Role, callee: Role) -> bool {
    match caller {
        Role::Web => callee == Role::Api,
        Role::Api => matches!(callee, Role::Database | Role::Cache | Role::Queue | Role::Search),
        Role::Worker => matches!(callee, Role::Database | Role::Cache | Role::Queue),
        Role::Report | Role::Toolbox => callee == Role::Database,
        _ => false,
    }
}

/// Networks such as a payment provider publishes: a few small ones out of not too many.
fn provider(dice: &mut Dice) -> Vec<String> {
    let first = [23, 34, 52, 104, 151, 185];
    let networks = (0..dice.number(1, 4)).map(|_| {
        let first = dice.pick(&first).copied().unwrap_or(52);
        format!("{first}.{}.{}.0/{}", dice.number(0, 15) * 16, dice.number(0, 3) * 64, dice.number(24, 26))
    });
    let mut networks: Vec<String> = networks.collect();
    networks.sort();
    networks.dedup();
    networks
}
