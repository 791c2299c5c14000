//! Rules read back. In: expressions of the kernel. Out: the rule that they were written from, or nothing if no rule of
//! ours becomes these expressions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_model::address::Family;

use super::{
    encode, uapi,
    wire::{Attributes, Writer},
};
use crate::nft::{Field, KeyType, LogTo, Random, Reject, Rule, Statement, Value, Verdict};

/// The rule in a message's attributes.
pub(crate) fn rule(attributes: Attributes<'_>) -> Option<Rule> {
    let listed: Vec<Expression<'_>> = attributes
        .nested(uapi::NFTA_RULE_EXPRESSIONS)?
        .map(|(_, value)| {
            let expression = Attributes(value);
            Some(Expression {
                name: expression.text(uapi::NFTA_EXPR_NAME)?,
                data: expression.nested(uapi::NFTA_EXPR_DATA).unwrap_or(Attributes(&[])),
            })
        })
        .collect::<Option<_>>()?;
    let mut reader = Reader { rest: &listed, icmp: None };
    let mut statements = Vec::new();
    while !reader.rest.is_empty() {
        statements.extend(reader.statement()?);
    }
    let rule = Rule { statements, comment: comment(attributes) };
    // The reading may be lenient because the rule is written again: what comes out must be what is there.
    let mut w = Writer::default();
    encode::rule::encode(&mut w, &rule);
    let written: Vec<(u16, &[u8])> = Attributes(w.bytes()).nested(uapi::NFTA_RULE_EXPRESSIONS)?.collect();
    let same = written.len() == listed.len()
        && written.iter().zip(&listed).all(|((_, ours), theirs)| {
            let ours = Attributes(ours);
            ours.text(uapi::NFTA_EXPR_NAME) == Some(theirs.name)
                && ours.nested(uapi::NFTA_EXPR_DATA).is_none_or(|ours| holds(ours, theirs.data))
        });
    same.then_some(rule)
}

/// The verdict in an attribute with data.
pub(crate) fn verdict(data: Attributes<'_>) -> Option<Verdict> {
    let verdict = data.nested(uapi::NFTA_DATA_VERDICT)?;
    let chain = || verdict.text(uapi::NFTA_VERDICT_CHAIN).map(Into::into);
    Some(match verdict.number(uapi::NFTA_VERDICT_CODE)?.cast_signed() {
        uapi::NF_ACCEPT => Verdict::Accept,
        uapi::NF_DROP => Verdict::Drop,
        uapi::NFT_RETURN => Verdict::Return,
        uapi::NFT_JUMP => Verdict::Jump(chain()?),
        uapi::NFT_GOTO => Verdict::Goto(chain()?),
        _ => return None,
    })
}

/// A number of up to 16 bytes in the network's order.
pub(crate) fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// Whether the kernel's attributes have all of ours; it adds what it knows itself.
fn holds(ours: Attributes<'_>, theirs: Attributes<'_>) -> bool {
    ours.into_iter().all(|(kind, value)| {
        theirs.get(kind).is_some_and(|found| {
            found == value || (ours.is_nested(kind) && holds(Attributes(value), Attributes(found)))
        })
    })
}

fn comment(attributes: Attributes<'_>) -> Option<String> {
    let mut user = attributes.get(uapi::NFTA_RULE_USERDATA)?;
    while let [kind, length, rest @ ..] = user {
        let value = rest.get(..usize::from(*length))?;
        if *kind == uapi::NFTNL_UDATA_RULE_COMMENT {
            return String::from_utf8(value.strip_suffix(&[0])?.to_vec()).ok();
        }
        user = rest.get(usize::from(*length)..)?;
    }
    None
}

#[derive(Clone, Copy)]
struct Expression<'a> {
    name: &'a str,
    data: Attributes<'a>,
}

struct Reader<'a> {
    rest: &'a [Expression<'a>],
    /// ICMP or ICMPv6, once tested.
    icmp: Option<u128>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<Expression<'a>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, name: &str) -> Option<Attributes<'a>> {
        let found = self.rest.first().filter(|expression| expression.name == name)?;
        self.rest = self.rest.get(1..).unwrap_or(&[]);
        Some(found.data)
    }

    /// The next statement; nothing within if it was only what a later one depends on.
    fn statement(&mut self) -> Option<Option<Statement>> {
        let expression = *self.rest.first()?;
        let data = expression.data;
        match expression.name {
            "meta" | "payload" => return self.field(),
            "ct" => {
                self.next();
                return self.connection(data).map(Some);
            }
            _ => {}
        }
        self.next();
        Some(Some(match expression.name {
            "limit" => Statement::Limit {
                rate: u32::try_from(number(data.get(uapi::NFTA_LIMIT_RATE)?)).ok()?,
                burst: data.number(uapi::NFTA_LIMIT_BURST)?,
            },
            "numgen" => {
                self.take("cmp")?;
                Statement::Random(Random { one_in: data.number(uapi::NFTA_NG_MODULUS)? })
            }
            "counter" => Statement::Counter,
            "log" => {
                if data.get(uapi::NFTA_LOG_LEVEL).is_some() || data.get(uapi::NFTA_LOG_FLAGS).is_some() {
                    return None;
                }
                let short = |kind| data.get(kind).map_or(0, number);
                Statement::Log(LogTo {
                    prefix: data.text(uapi::NFTA_LOG_PREFIX).unwrap_or("").to_owned(),
                    group: u16::try_from(short(uapi::NFTA_LOG_GROUP)).ok()?,
                    snaplen: data.number(uapi::NFTA_LOG_SNAPLEN).unwrap_or(0),
                    queue_threshold: u16::try_from(short(uapi::NFTA_LOG_QTHRESHOLD)).ok()?,
                })
            }
            "masq" => {
                if data.count() > 0 {
                    return None;
                }
                Statement::Masquerade
            }
            "reject" => Statement::Reject(match data.number(uapi::NFTA_REJECT_TYPE)? {
                uapi::NFT_REJECT_TCP_RST => Reject::TcpReset,
                uapi::NFT_REJECT_ICMPX_UNREACH => Reject::AdminProhibited,
                _ => return None,
            }),
            "immediate" => self.immediate(data)?,
            _ => return None,
        }))
    }

    fn immediate(&mut self, data: Attributes<'a>) -> Option<Statement> {
        let value = data.nested(uapi::NFTA_IMMEDIATE_DATA)?;
        if data.number(uapi::NFTA_IMMEDIATE_DREG)? == uapi::NFT_REG_VERDICT {
            return verdict(value).map(Statement::Verdict);
        }
        let bytes = value.get(uapi::NFTA_DATA_VALUE)?;
        if let Some(port) = self.take("immediate") {
            let nat = self.take("nat")?;
            if nat.number(uapi::NFTA_NAT_FLAGS).unwrap_or(0) & uapi::NF_NAT_RANGE_CHOICE != 0 {
                return None;
            }
            let port = port.nested(uapi::NFTA_IMMEDIATE_DATA)?.get(uapi::NFTA_DATA_VALUE)?;
            let address: IpAddr = match bytes.len() {
                4 => Ipv4Addr::from_bits(u32::try_from(number(bytes)).ok()?).into(),
                16 => Ipv6Addr::from_bits(number(bytes)).into(),
                _ => return None,
            };
            return Some(Statement::Dnat(address, u16::try_from(number(port)).ok()?));
        }
        self.take("ct")?;
        Some(Statement::SetMark { mask: u32::MAX, value: host(bytes)? })
    }

    fn connection(&mut self, data: Attributes<'a>) -> Option<Statement> {
        let key = data.number(uapi::NFTA_CT_KEY)?;
        let bits = self.take("bitwise");
        let part = |kind| host(bits?.nested(kind)?.get(uapi::NFTA_DATA_VALUE)?);
        if key == uapi::NFT_CT_MARK && self.take("ct").is_some() {
            return Some(Statement::SetMark {
                mask: !part(uapi::NFTA_BITWISE_MASK)?,
                value: part(uapi::NFTA_BITWISE_XOR)?,
            });
        }
        let (operator, value) = self.compare()?;
        Some(match key {
            uapi::NFT_CT_DIRECTION => Statement::Reply(number(value) == 1),
            uapi::NFT_CT_STATE => Statement::State(part(uapi::NFTA_BITWISE_MASK)?),
            uapi::NFT_CT_MARK => Statement::Mark {
                mask: if bits.is_some() { part(uapi::NFTA_BITWISE_MASK)? } else { u32::MAX },
                value: host(value)?,
                negated: operator == uapi::NFT_CMP_NEQ,
            },
            _ => return None,
        })
    }

    fn compare(&mut self) -> Option<(u32, &'a [u8])> {
        let data = self.take("cmp")?;
        Some((data.number(uapi::NFTA_CMP_OP)?, data.nested(uapi::NFTA_CMP_DATA)?.get(uapi::NFTA_DATA_VALUE)?))
    }

    /// What begins with loading a field.
    fn field(&mut self) -> Option<Option<Statement>> {
        let mut fields = Vec::new();
        let mut loaded = 0;
        while let Some(expression) =
            self.rest.first().filter(|expression| matches!(expression.name, "meta" | "payload"))
        {
            let data = expression.data;
            self.next();
            if expression.name == "meta" && data.number(uapi::NFTA_META_KEY)? == uapi::NFT_META_NFPROTO {
                let (_, number) = self.compare()?;
                // Before a verdict it is a test; else it is nothing but what the next field depends on.
                let tests = self.rest.first().is_none_or(|next| next.name == "immediate");
                let family = if number == [uapi::NFPROTO_IPV4] { Family::V4 } else { Family::V6 };
                return Some(tests.then_some(Statement::Family(family)));
            }
            let protocol = expression.name == "meta";
            loaded = if protocol { 1 } else { usize::try_from(data.number(uapi::NFTA_PAYLOAD_LEN)?).ok()? };
            fields.push(if protocol { Field::Protocol } else { payload(data, self.icmp)? });
        }
        if let Some(data) = self.take("lookup") {
            let set = data.text(uapi::NFTA_LOOKUP_SET)?.into();
            let negated = data.number(uapi::NFTA_LOOKUP_FLAGS).unwrap_or(0) == uapi::NFT_LOOKUP_F_INV;
            return Some(Some(match data.number(uapi::NFTA_LOOKUP_DREG) {
                Some(_) => Statement::VerdictMap { fields, map: set },
                None => Statement::In { fields, set, negated },
            }));
        }
        let [field] = fields.as_slice() else { return None };
        self.comparison(*field, loaded)
    }

    /// What a loaded field is compared with.
    fn comparison(&mut self, field: Field, loaded: usize) -> Option<Option<Statement>> {
        let key = field.key_type();
        let is = |first, last, negated| {
            Some(Some(Statement::Is { field, value: Value::from_bounds(key, first, last)?, negated }))
        };
        if let Some(data) = self.take("range") {
            let bound = |kind| data.nested(kind)?.get(uapi::NFTA_DATA_VALUE).map(number);
            return is(bound(uapi::NFTA_RANGE_FROM_DATA)?, bound(uapi::NFTA_RANGE_TO_DATA)?, true);
        }
        let all =
            |bytes: usize| u128::MAX.checked_shr(u32::try_from(128 - 8 * bytes).unwrap_or(128)).unwrap_or(0);
        let mut host = all(key.bytes().checked_sub(loaded)?);
        if let Some(data) = self.take("bitwise") {
            host = all(loaded) & !number(data.nested(uapi::NFTA_BITWISE_MASK)?.get(uapi::NFTA_DATA_VALUE)?);
        }
        let (operator, value) = self.compare()?;
        let first = number(value) << (8 * (key.bytes().checked_sub(value.len())?));
        match operator {
            uapi::NFT_CMP_GTE => {
                let (_, last) = self.compare()?;
                is(first, number(last), false)
            }
            uapi::NFT_CMP_EQ if field == Field::Protocol && self.icmp(first) => Some(None),
            uapi::NFT_CMP_EQ | uapi::NFT_CMP_NEQ => is(first, first | host, operator == uapi::NFT_CMP_NEQ),
            _ => None,
        }
    }

    /// Whether the type of a message of the protocol is read next, so that testing the protocol was only for that.
    fn icmp(&mut self, protocol: u128) -> bool {
        let types = self.rest.first().filter(|next| next.name == "payload").is_some_and(|next| {
            next.data.number(uapi::NFTA_PAYLOAD_BASE) == Some(uapi::NFT_PAYLOAD_TRANSPORT_HEADER)
                && next.data.number(uapi::NFTA_PAYLOAD_LEN) == Some(1)
        });
        let icmp = types && matches!(protocol, 1 | 58);
        if icmp {
            self.icmp = Some(protocol);
        }
        icmp
    }
}

/// The field at a place of a packet; `icmp` is the protocol that was tested for the type of a message.
fn payload(data: Attributes<'_>, icmp: Option<u128>) -> Option<Field> {
    let offset = data.number(uapi::NFTA_PAYLOAD_OFFSET)?;
    Some(match (data.number(uapi::NFTA_PAYLOAD_BASE)?, offset, data.number(uapi::NFTA_PAYLOAD_LEN)?) {
        (uapi::NFT_PAYLOAD_NETWORK_HEADER, 12, _) => Field::Source(Family::V4),
        (uapi::NFT_PAYLOAD_NETWORK_HEADER, 16, _) => Field::Destination(Family::V4),
        (uapi::NFT_PAYLOAD_NETWORK_HEADER, 8, _) => Field::Source(Family::V6),
        (uapi::NFT_PAYLOAD_NETWORK_HEADER, 24, _) => Field::Destination(Family::V6),
        (uapi::NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2) => Field::SourcePort,
        (uapi::NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2) => Field::DestinationPort,
        (uapi::NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1) if icmp == Some(1) => Field::IcmpType,
        (uapi::NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1) if icmp == Some(58) => Field::Icmpv6Type,
        _ => return None,
    })
}

/// A number in this machine's byte order.
fn host(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_ne_bytes)
}

/// The types under a number of `nft`.
pub(crate) fn key_types(mut number: u32) -> Option<Vec<KeyType>> {
    const ALL: [KeyType; 6] =
        [KeyType::Ipv4, KeyType::Ipv6, KeyType::Protocol, KeyType::Port, KeyType::Icmp, KeyType::Icmpv6];
    let mut types = Vec::new();
    while number > 0 {
        types.push(ALL.into_iter().find(|key| encode::type_number(*key) == number & 0x3f)?);
        number >>= 6;
    }
    types.reverse();
    (!types.is_empty()).then_some(types)
}
