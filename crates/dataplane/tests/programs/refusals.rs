//! What a node sends when it refuses a packet: a reset or an ICMP error, which the kernel counts as related to the connection that
//! it is about. It must reach whoever was refused, whatever the policies say of the connection.

use ringfence_dataplane::{
    compile::{Options, compile},
    interpret::{Chance, Fate, Machine, Packet, TCP, Tracked, UDP, state},
    nft::HookPoint,
};
use ringfence_policy::Compiled;

use crate::clusters;

/// What becomes of a packet.
fn fate(machine: &Machine, point: HookPoint, packet: Packet) -> Fate {
    machine.run(point, &packet, Chance::default()).unwrap().fate
}

#[test]
fn a_node_does_not_refuse_its_own_refusals() {
    let mut judging = 0;
    for seed in 0..100 {
        let compiled = Compiled::new(clusters::cluster(seed));
        let cluster = compiled.cluster();
        for node in &cluster.nodes {
            let program = compile(&compiled, None, &node.name, &Options::default());
            let machine = Machine::new(&program.table).unwrap();
            let points = [HookPoint::Output, HookPoint::Input].into_iter();
            let points = points.filter(|point| {
                program.table.chains.values().any(|chain| chain.hook.is_some_and(|hook| hook.point == *point))
            });
            judging += usize::from(points.clone().count() == 2);
            let all = || cluster.pods.iter().flat_map(|pod| &pod.addresses).chain(&node.addresses);
            for point in points {
                for (from, to) in all().flat_map(|from| all().map(move |to| (*from, *to))) {
                    if from.is_ipv4() != to.is_ipv4() {
                        continue;
                    }
                    for protocol in [TCP, UDP] {
                        let refusal = |reply, mark| {
                            let state = state::RELATED;
                            Packet::new(from, to, protocol, 80, 40_000).tracked(Tracked::Connection {
                                state,
                                reply,
                                mark,
                            })
                        };
                        // Of a connection's first packet, and of a reply, which cuts the connection.
                        assert_eq!(fate(&machine, point, refusal(true, 0)), Fate::Accept, "seed {seed}");
                        if point == HookPoint::Output {
                            assert_eq!(fate(&machine, point, refusal(false, 0)), Fate::Accept, "seed {seed}");
                        }
                    }
                }
            }
        }
    }
    assert!(judging > 10, "only {judging} nodes look at what they send");
}
