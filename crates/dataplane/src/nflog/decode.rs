//! Datagrams to records. In: bytes from the kernel, or from anywhere. Out: records, and counts of what is missing or could
//! not be read.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ringfence_model::{
    observed::{FlowRecord, Loss, Seen, Treatment},
    verdict::Reason,
};

use super::{
    Parties,
    message::{self, attribute, attributes, messages, number},
    packet,
};
use crate::prefix::{Logged, Prefix, RuleId, parse_prefix};

/// What a node's program knows of its rules.
pub trait Rules {
    /// What decided where the log has this number; nothing if the program has no such number (any more).
    fn reasons(&self, id: RuleId) -> Option<Arc<[Reason]>>;
}

impl<F: Fn(RuleId) -> Option<Arc<[Reason]>>> Rules for F {
    fn reasons(&self, id: RuleId) -> Option<Arc<[Reason]>> {
        self(id)
    }
}

/// Reads datagrams, one after another, and counts the gaps between them.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The number that the next packet should have.
    next: u32,
    lost: Loss,
}

impl Decoder {
    /// What was lost since the beginning.
    #[must_use]
    pub fn lost(&self) -> Loss {
        self.lost
    }

    /// Counts that the kernel said that it could not deliver (`ENOBUFS`).
    pub fn overrun(&mut self) {
        self.lost.overruns += 1;
    }

    /// Reads a datagram. Every packet of it becomes a record or a count in [`Loss`].
    pub fn datagram(
        &mut self,
        bytes: &[u8],
        now: Duration,
        rules: &impl Rules,
        parties: &Parties,
        each: &mut impl FnMut(FlowRecord),
    ) {
        for message in messages(bytes) {
            match message {
                Some(message) if message.kind == message::PACKET => {
                    if let Some(record) = self.packet(message.body, now, rules, parties) {
                        each(record);
                    }
                }
                Some(message) if message.kind == message::DONE || message.kind == message::ERROR => {}
                _ => self.lost.unreadable += 1,
            }
        }
    }

    fn packet(
        &mut self,
        body: &[u8],
        now: Duration,
        rules: &impl Rules,
        parties: &Parties,
    ) -> Option<FlowRecord> {
        let (mut text, mut payload, mut input, mut output) = (None, None, None, None);
        for (kind, value) in attributes(body) {
            match kind {
                attribute::PREFIX => text = Some(value),
                attribute::PAYLOAD => payload = Some(value),
                attribute::INPUT => input = number(value),
                attribute::OUTPUT => output = number(value),
                attribute::SEQUENCE => {
                    if let Some(sequence) = number(value) {
                        self.count(sequence);
                    }
                }
                _ => {}
            }
        }
        let Some(prefix) = text.and_then(ours) else {
            self.lost.foreign += 1;
            return None;
        };
        let Some(head) = payload.and_then(packet::head) else {
            self.lost.unreadable += 1;
            return None;
        };
        let seen =
            |address: IpAddr, port: Option<u16>| Seen { address, port, party: parties.get(address).cloned() };
        Some(FlowRecord {
            time: now,
            treatment: match prefix.logged {
                Logged::Deny => Treatment::Denied,
                Logged::Allow => Treatment::Allowed,
                Logged::Audit => Treatment::WouldDeny,
            },
            direction: prefix.direction,
            rule: prefix.id.0,
            policy: prefix.name.into(),
            reasons: rules.reasons(prefix.id).unwrap_or_default(),
            source: seen(head.source, head.ports.map(|(source, _)| source)),
            destination: seen(head.destination, head.ports.map(|(_, destination)| destination)),
            protocol: head.protocol,
            icmp: head.icmp,
            tcp_flags: head.tcp_flags,
            input,
            output,
        })
    }

    /// The kernel numbers what it logs from 0 on: a number beyond the expected one tells how many are missing.
    fn count(&mut self, sequence: u32) {
        let gap = sequence.wrapping_sub(self.next);
        if gap <= u32::MAX / 2 {
            self.lost.missed += u64::from(gap);
            self.next = sequence.wrapping_add(1);
        }
    }
}

/// The prefix, if it is one of ours.
fn ours(value: &[u8]) -> Option<Prefix<'_>> {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text).ok().and_then(parse_prefix)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringfence_model::{
        cluster::Cluster, label::Labels, observed::Party, verdict::Direction, workload::Node,
    };

    use super::{
        super::{message::tests::logged, message::tests::message, packet::tests::udp},
        *,
    };

    const PREFIX: &[u8] = b"ringfence audit egress 0000000a NetworkPolicy shop/web\0";

    fn known(id: RuleId) -> Option<Arc<[Reason]>> {
        (id == RuleId(10)).then(|| Arc::from([Reason::SelfTraffic]))
    }

    fn read(decoder: &mut Decoder, bytes: &[u8]) -> Vec<FlowRecord> {
        let mut records = Vec::new();
        let parties = Parties::new(&Cluster {
            nodes: vec![Node { name: "one".into(), addresses: vec![[10, 0, 0, 2].into()], ..node() }],
            ..Cluster::default()
        });
        decoder.datagram(bytes, Duration::from_secs(7), &known, &parties, &mut |record| records.push(record));
        records
    }

    fn node() -> Node {
        Node {
            name: "".into(),
            labels: Labels::default(),
            addresses: Vec::new(),
            pod_cidrs: Vec::new(),
            origin: ringfence_model::origin::Origin::NONE,
        }
    }

    #[test]
    fn a_packet_becomes_a_record() {
        let bytes = logged(&[
            (4, &3_u32.to_be_bytes()),
            (5, &4_u32.to_be_bytes()),
            (9, &udp()),
            (10, PREFIX),
            (12, &0_u32.to_be_bytes()),
        ]);
        let mut decoder = Decoder::default();
        let records = read(&mut decoder, &bytes);
        let [record] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!(record.time, Duration::from_secs(7));
        assert_eq!((record.treatment, record.direction), (Treatment::WouldDeny, Direction::Egress));
        assert_eq!((record.rule, &*record.policy), (10, "NetworkPolicy shop/web"));
        assert_eq!(*record.reasons, [Reason::SelfTraffic]);
        assert_eq!(record.source, Seen { address: [10, 0, 0, 1].into(), port: Some(4000), party: None });
        let party = Some(Party::Node("one".into()));
        assert_eq!(record.destination, Seen { address: [10, 0, 0, 2].into(), port: Some(53), party });
        assert_eq!((record.protocol, record.input, record.output), (Some(17), Some(3), Some(4)));
        assert_eq!(decoder.lost(), Loss::default());
    }

    #[test]
    fn gaps_are_counted_and_numbers_wrap() {
        let mut decoder = Decoder::default();
        let mut send = |sequence: u32| {
            read(&mut decoder, &logged(&[(9, &udp()), (10, PREFIX), (12, &sequence.to_be_bytes())]));
            decoder.lost().missed
        };
        assert_eq!(send(2), 2, "the kernel begins with 0");
        assert_eq!(send(3), 2);
        assert_eq!(send(10), 8);
        assert_eq!(send(9), 8, "an old number is no loss");
        let mut decoder = Decoder { next: u32::MAX, lost: Loss::default() };
        let bytes = logged(&[(9, &udp()), (10, PREFIX), (12, &1_u32.to_be_bytes())]);
        read(&mut decoder, &bytes);
        assert_eq!(decoder.lost().missed, 2);
    }

    #[test]
    fn what_is_not_a_record_is_counted() {
        let mut decoder = Decoder::default();
        assert!(read(&mut decoder, &logged(&[(9, &udp()), (10, b"other: \0")])).is_empty());
        assert!(read(&mut decoder, &logged(&[(9, &udp())])).is_empty());
        assert_eq!(decoder.lost().foreign, 2);
        assert!(read(&mut decoder, &logged(&[(9, &[0x45, 0, 0]), (10, PREFIX)])).is_empty());
        assert!(read(&mut decoder, &logged(&[(10, PREFIX)])).is_empty());
        assert!(read(&mut decoder, &message(77, &[])).is_empty());
        assert!(read(&mut decoder, &[1, 2, 3]).is_empty());
        assert_eq!(decoder.lost().unreadable, 4);
        assert!(read(&mut decoder, &message(message::DONE, &[0; 4])).is_empty());
        decoder.overrun();
        assert_eq!(decoder.lost(), Loss { missed: 0, overruns: 1, unreadable: 4, foreign: 2 });
    }

    #[test]
    fn an_unknown_number_keeps_the_name_of_its_policy() {
        let prefix = b"ringfence deny ingress 0000000b NetworkPolicy shop/old\0";
        let records = read(&mut Decoder::default(), &logged(&[(9, &udp()), (10, prefix)]));
        assert!(records[0].reasons.is_empty());
        assert_eq!(&*records[0].policy, "NetworkPolicy shop/old");
    }

    /// A datagram as the kernel sends it, with some of its bytes changed and perhaps cut off.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let packet = prop_oneof![Just(udp()), prop::collection::vec(any::<u8>(), 0..120)];
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12);
        (packet, changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
            |(packet, changes, end, cut)| {
                let mut bytes = logged(&[(9, &packet), (10, PREFIX), (12, &[0, 0, 0, 0])]);
                bytes.extend(message(message::DONE, &[0; 4]));
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                if cut {
                    bytes.truncate(end.index(bytes.len()));
                }
                bytes
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            read(&mut Decoder::default(), &bytes);
        }

        #[test]
        fn damaged_datagrams_are_read(bytes in damaged()) {
            let mut decoder = Decoder::default();
            let records = read(&mut decoder, &bytes);
            prop_assert!(records.len() <= 1);
        }

        #[test]
        fn any_packet_is_read(first in 0_u8..=255, rest in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes: Vec<u8> = [first].into_iter().chain(rest).collect();
            if let Some(head) = packet::head(&bytes) {
                prop_assert_eq!(head.source.is_ipv4(), head.destination.is_ipv4());
            }
        }
    }
}
