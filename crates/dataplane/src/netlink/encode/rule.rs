//! Rules. In: statements. Out: the expressions that `nft` itself would write for them, so that it prints them as they
//! were meant.

use std::net::IpAddr;

use ringfence_model::address::Family;

use super::{
    super::{uapi, wire::Writer},
    element,
};
use crate::nft::{Field, Name, Reject, Rule, Statement, Value, Verdict};

/// Appends the expressions and the comment.
pub(crate) fn encode(w: &mut Writer, rule: &Rule) {
    w.nested(uapi::NFTA_RULE_EXPRESSIONS, |w| {
        let mut expressions = Expressions { w, family: None, protocol: None, count: 0 };
        for statement in &rule.statements {
            expressions.statement(statement);
        }
    });
    if let Some(comment) = &rule.comment {
        let mut user =
            vec![uapi::NFTNL_UDATA_RULE_COMMENT, u8::try_from(comment.len() + 1).unwrap_or(u8::MAX)];
        user.extend_from_slice(comment.as_bytes());
        user.push(0);
        w.attribute(uapi::NFTA_RULE_USERDATA, &user);
    }
}

/// How many expressions a rule has.
pub(crate) fn count(rule: &Rule) -> usize {
    let mut w = Writer::default();
    let mut expressions = Expressions { w: &mut w, family: None, protocol: None, count: 0 };
    for statement in &rule.statements {
        expressions.statement(statement);
    }
    expressions.count
}

struct Expressions<'a> {
    w: &'a mut Writer,
    /// What the expressions so far have made sure of.
    family: Option<Family>,
    protocol: Option<u8>,
    count: usize,
}

impl Expressions<'_> {
    fn expression(&mut self, name: &str, body: impl FnOnce(&mut Writer)) {
        self.count += 1;
        self.w.nested(uapi::NFTA_LIST_ELEM, |w| {
            w.text(uapi::NFTA_EXPR_NAME, name);
            w.nested(uapi::NFTA_EXPR_DATA, body);
        });
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Is { field, value, negated } => self.is(*field, value, *negated),
            Statement::In { fields, set, negated } => self.lookup(fields, set, *negated, false),
            Statement::VerdictMap { fields, map } => self.lookup(fields, map, false, true),
            Statement::Family(family) => self.family(*family),
            Statement::Reply(reply) => {
                self.connection(uapi::NFT_CT_DIRECTION);
                self.compare(uapi::NFT_CMP_EQ, &[u8::from(*reply)]);
            }
            Statement::State(bits) => {
                self.connection(uapi::NFT_CT_STATE);
                self.mask(&bits.to_ne_bytes(), &[0; 4]);
                self.compare(uapi::NFT_CMP_NEQ, &[0; 4]);
            }
            Statement::Mark { mask, value, negated } => {
                self.connection(uapi::NFT_CT_MARK);
                if *mask != u32::MAX {
                    self.mask(&mask.to_ne_bytes(), &[0; 4]);
                }
                self.compare(equal(*negated), &value.to_ne_bytes());
            }
            Statement::SetMark { mask, value } => {
                if *mask == u32::MAX {
                    self.immediate(uapi::NFT_REG_1, &value.to_ne_bytes());
                } else {
                    self.connection(uapi::NFT_CT_MARK);
                    self.mask(&(!mask).to_ne_bytes(), &value.to_ne_bytes());
                }
                self.expression("ct", |w| {
                    w.number(uapi::NFTA_CT_KEY, uapi::NFT_CT_MARK);
                    w.number(uapi::NFTA_CT_SREG, uapi::NFT_REG_1);
                });
            }
            Statement::Limit { rate, burst } => self.expression("limit", |w| {
                w.attribute(uapi::NFTA_LIMIT_RATE, &u64::from(*rate).to_be_bytes());
                w.attribute(uapi::NFTA_LIMIT_UNIT, &1u64.to_be_bytes());
                w.number(uapi::NFTA_LIMIT_BURST, *burst);
                w.number(uapi::NFTA_LIMIT_TYPE, 0);
                w.number(uapi::NFTA_LIMIT_FLAGS, 0);
            }),
            Statement::Random(random) => {
                self.expression("numgen", |w| {
                    w.number(uapi::NFTA_NG_DREG, uapi::NFT_REG_1);
                    w.number(uapi::NFTA_NG_MODULUS, random.one_in);
                    w.number(uapi::NFTA_NG_TYPE, uapi::NFT_NG_RANDOM);
                    w.number(uapi::NFTA_NG_OFFSET, 0);
                });
                self.compare(uapi::NFT_CMP_EQ, &[0; 4]);
            }
            Statement::Counter => self.expression("counter", |_| {}),
            Statement::Log(to) => self.expression("log", |w| {
                w.attribute(uapi::NFTA_LOG_GROUP, &to.group.to_be_bytes());
                if !to.prefix.is_empty() {
                    w.text(uapi::NFTA_LOG_PREFIX, &to.prefix);
                }
                if to.snaplen > 0 {
                    w.number(uapi::NFTA_LOG_SNAPLEN, to.snaplen);
                }
                if to.queue_threshold > 0 {
                    w.attribute(uapi::NFTA_LOG_QTHRESHOLD, &to.queue_threshold.to_be_bytes());
                }
            }),
            Statement::Dnat(address, port) => {
                let (family, bytes) = match address {
                    IpAddr::V4(address) => (uapi::NFPROTO_IPV4, address.octets().to_vec()),
                    IpAddr::V6(address) => (uapi::NFPROTO_IPV6, address.octets().to_vec()),
                };
                self.immediate(uapi::NFT_REG_1, &bytes);
                self.immediate(uapi::NFT_REG_2, &port.to_be_bytes());
                self.expression("nat", |w| {
                    w.number(uapi::NFTA_NAT_TYPE, uapi::NFT_NAT_DNAT);
                    w.number(uapi::NFTA_NAT_FAMILY, u32::from(family));
                    w.number(uapi::NFTA_NAT_REG_ADDR_MIN, uapi::NFT_REG_1);
                    w.number(uapi::NFTA_NAT_REG_PROTO_MIN, uapi::NFT_REG_2);
                });
            }
            Statement::Masquerade => self.expression("masq", |_| {}),
            Statement::Reject(Reject::TcpReset) => self.expression("reject", |w| {
                w.number(uapi::NFTA_REJECT_TYPE, uapi::NFT_REJECT_TCP_RST);
            }),
            Statement::Reject(Reject::AdminProhibited) => self.expression("reject", |w| {
                w.number(uapi::NFTA_REJECT_TYPE, uapi::NFT_REJECT_ICMPX_UNREACH);
                w.attribute(uapi::NFTA_REJECT_ICMP_CODE, &[uapi::NFT_REJECT_ICMPX_ADMIN_PROHIBITED]);
            }),
            Statement::Verdict(to) => self.verdict(to),
        }
    }

    fn is(&mut self, field: Field, value: &Value, negated: bool) {
        let key = field.key_type();
        self.depend(field);
        let (first, last) = value.bounds();
        let [low, high] = [first, last].map(|bound| element::value_bytes(key, bound));
        if let Some((_, length)) = value.prefix() {
            let length = usize::try_from(length).unwrap_or(0);
            if length.is_multiple_of(8) {
                self.load(field, uapi::NFT_REG_1, length / 8);
                self.compare(equal(negated), low.get(..length / 8).unwrap_or(&low));
            } else {
                self.load(field, uapi::NFT_REG_1, key.bytes());
                let mask: Vec<u8> = low.iter().zip(&high).map(|(low, high)| !(low ^ high)).collect();
                self.mask(&mask, &vec![0; mask.len()]);
                self.compare(equal(negated), &low);
            }
            return;
        }
        self.load(field, uapi::NFT_REG_1, key.bytes());
        if first == last {
            self.compare(equal(negated), &low);
        } else if negated {
            self.expression("range", |w| {
                w.number(uapi::NFTA_RANGE_SREG, uapi::NFT_REG_1);
                w.number(uapi::NFTA_RANGE_OP, uapi::NFT_RANGE_NEQ);
                w.nested(uapi::NFTA_RANGE_FROM_DATA, |w| w.attribute(uapi::NFTA_DATA_VALUE, &low));
                w.nested(uapi::NFTA_RANGE_TO_DATA, |w| w.attribute(uapi::NFTA_DATA_VALUE, &high));
            });
        } else {
            self.compare(uapi::NFT_CMP_GTE, &low);
            self.compare(uapi::NFT_CMP_LTE, &high);
        }
        if field == Field::Protocol && !negated && first == last {
            self.protocol = u8::try_from(first).ok();
        }
    }

    fn lookup(&mut self, fields: &[Field], set: &Name, negated: bool, verdicts: bool) {
        for field in fields {
            self.depend(*field);
        }
        // Registers of four bytes; the kernel names those that start one of sixteen by the old numbers.
        let mut slot = 0;
        for field in fields {
            let register = if slot % 4 == 0 { uapi::NFT_REG_1 + slot / 4 } else { uapi::NFT_REG32_00 + slot };
            let bytes = field.key_type().bytes();
            self.load(*field, register, bytes);
            slot += u32::try_from(bytes.div_ceil(4)).unwrap_or(0);
        }
        self.expression("lookup", |w| {
            w.text(uapi::NFTA_LOOKUP_SET, set);
            w.number(uapi::NFTA_LOOKUP_SREG, uapi::NFT_REG_1);
            if verdicts {
                w.number(uapi::NFTA_LOOKUP_DREG, uapi::NFT_REG_VERDICT);
            }
            w.number(uapi::NFTA_LOOKUP_FLAGS, if negated { uapi::NFT_LOOKUP_F_INV } else { 0 });
        });
    }

    /// Makes sure that the packet has the field.
    fn depend(&mut self, field: Field) {
        if let Some(family) = field.family().filter(|family| self.family != Some(*family)) {
            self.family(family);
        }
        let protocol = match field {
            Field::IcmpType => Some(1),
            Field::Icmpv6Type => Some(58),
            _ => None,
        };
        if let Some(protocol) = protocol.filter(|protocol| self.protocol != Some(*protocol)) {
            self.protocol = Some(protocol);
            self.meta(uapi::NFT_META_L4PROTO, uapi::NFT_REG_1);
            self.compare(uapi::NFT_CMP_EQ, &[protocol]);
        }
    }

    fn family(&mut self, family: Family) {
        self.family = Some(family);
        self.meta(uapi::NFT_META_NFPROTO, uapi::NFT_REG_1);
        self.compare(
            uapi::NFT_CMP_EQ,
            &[if family == Family::V4 { uapi::NFPROTO_IPV4 } else { uapi::NFPROTO_IPV6 }],
        );
    }

    fn load(&mut self, field: Field, register: u32, bytes: usize) {
        let (base, offset) = match field {
            Field::Protocol => return self.meta(uapi::NFT_META_L4PROTO, register),
            Field::Source(Family::V4) => (uapi::NFT_PAYLOAD_NETWORK_HEADER, 12),
            Field::Destination(Family::V4) => (uapi::NFT_PAYLOAD_NETWORK_HEADER, 16),
            Field::Source(Family::V6) => (uapi::NFT_PAYLOAD_NETWORK_HEADER, 8),
            Field::Destination(Family::V6) => (uapi::NFT_PAYLOAD_NETWORK_HEADER, 24),
            Field::SourcePort | Field::IcmpType | Field::Icmpv6Type => {
                (uapi::NFT_PAYLOAD_TRANSPORT_HEADER, 0)
            }
            Field::DestinationPort => (uapi::NFT_PAYLOAD_TRANSPORT_HEADER, 2),
        };
        self.expression("payload", |w| {
            w.number(uapi::NFTA_PAYLOAD_DREG, register);
            w.number(uapi::NFTA_PAYLOAD_BASE, base);
            w.number(uapi::NFTA_PAYLOAD_OFFSET, offset);
            w.number(uapi::NFTA_PAYLOAD_LEN, u32::try_from(bytes).unwrap_or(0));
        });
    }

    fn meta(&mut self, key: u32, register: u32) {
        self.expression("meta", |w| {
            w.number(uapi::NFTA_META_KEY, key);
            w.number(uapi::NFTA_META_DREG, register);
        });
    }

    fn connection(&mut self, key: u32) {
        self.expression("ct", |w| {
            w.number(uapi::NFTA_CT_KEY, key);
            w.number(uapi::NFTA_CT_DREG, uapi::NFT_REG_1);
        });
    }

    fn compare(&mut self, operator: u32, value: &[u8]) {
        self.expression("cmp", |w| {
            w.number(uapi::NFTA_CMP_SREG, uapi::NFT_REG_1);
            w.number(uapi::NFTA_CMP_OP, operator);
            w.nested(uapi::NFTA_CMP_DATA, |w| w.attribute(uapi::NFTA_DATA_VALUE, value));
        });
    }

    /// `register = (register & mask) ^ flip`
    fn mask(&mut self, mask: &[u8], flip: &[u8]) {
        self.expression("bitwise", |w| {
            w.number(uapi::NFTA_BITWISE_SREG, uapi::NFT_REG_1);
            w.number(uapi::NFTA_BITWISE_DREG, uapi::NFT_REG_1);
            w.number(uapi::NFTA_BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(0));
            w.nested(uapi::NFTA_BITWISE_MASK, |w| w.attribute(uapi::NFTA_DATA_VALUE, mask));
            w.nested(uapi::NFTA_BITWISE_XOR, |w| w.attribute(uapi::NFTA_DATA_VALUE, flip));
        });
    }

    fn immediate(&mut self, register: u32, value: &[u8]) {
        self.expression("immediate", |w| {
            w.number(uapi::NFTA_IMMEDIATE_DREG, register);
            w.nested(uapi::NFTA_IMMEDIATE_DATA, |w| w.attribute(uapi::NFTA_DATA_VALUE, value));
        });
    }

    fn verdict(&mut self, to: &Verdict) {
        self.expression("immediate", |w| {
            w.number(uapi::NFTA_IMMEDIATE_DREG, uapi::NFT_REG_VERDICT);
            w.nested(uapi::NFTA_IMMEDIATE_DATA, |w| element::verdict(w, to));
        });
    }
}

fn equal(negated: bool) -> u32 {
    if negated { uapi::NFT_CMP_NEQ } else { uapi::NFT_CMP_EQ }
}
