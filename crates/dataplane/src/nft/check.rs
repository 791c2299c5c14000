//! Whether the kernel and `nft` will take a program. In: a table. Out: nothing, or the first thing that breaks a limit or a
//! rule, before anything is sent.

use std::collections::BTreeMap;

use super::{
    Element, Field, KeyType, Limits, Map, Name, Reject, Rule, Set, Statement, Table, Value, Verdict, graph,
};

/// Why a program is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}; the program is refused as a whole and nothing was changed")]
pub struct TooLarge {
    /// Where, such as "rule 3 of chain `forward`".
    pub place: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// Words of `nft`'s grammar, which are no names.
const RESERVED: &str = " accept add all and arp at audit bridge burst bytes chain chains comment constant continue counter \
     counters create ct daddr dccp define delete describe destroy device devices dormant drop dnat dup ecn elements element \
     eq esp ether exists export exthdr fib flags flow flowtable flush frag fwd ge goto group gt handle hash hbh helper hook \
     host hoplimit icmp icmpv6 icmpx id iif iifname import include inet insert interval ip ip6 ipsec jhash jump last le \
     length limit list log lt map maps mark masquerade meta missing mh monitor name ne netdev nexthop nfproto notrack \
     numgen oif oifname or original osf over owner performance policy position prefix priority proto protocol queue \
     quota redirect redefine reject rename replace reply reset return rt ruleset rule rules saddr sctp secmark set sets \
     size snaplen snat socket stateless sport dport state synproxy table tables tcp th timeout to tproxy ttl type typeof \
     udp udplite undefine update using vlan vmap while with xml xor random second minute hour day week packets seconds ";

/// Checks everything that can be known without the kernel.
///
/// # Errors
/// The first thing that the kernel, or `nft` reading the listing back, would not take.
pub fn check(table: &Table) -> Result<(), TooLarge> {
    let at = |kind: &str, name: &str| format!("{kind} `{name}`");
    name(&at("table", &table.name), &table.name)?;
    let mut total = 0;
    for (key, set) in &table.sets {
        let place = at("set", key);
        name(&place, key)?;
        total += set.elements.len();
        set_shape(&place, &set.key)?;
        size(&place, set.size, set.interval, set.elements.len())?;
        elements(&place, set.interval, &set.key, set.elements.iter())?;
    }
    for (key, map) in &table.maps {
        let place = at("map", key);
        name(&place, key)?;
        if table.sets.contains_key(key) {
            return Err(wrong(
                &place,
                "a set has this name too, and nftables keeps both in one space; rename one",
            ));
        }
        total += map.elements.len();
        set_shape(&place, &map.key)?;
        size(&place, map.size, map.interval, map.elements.len())?;
        elements(&place, map.interval, &map.key, map.elements.keys())?;
        for verdict in map.elements.values() {
            target(&place, table, verdict)?;
        }
    }
    if total > Limits::ELEMENTS {
        return Err(wrong(
            &at("table", &table.name),
            &format!("{total} elements are more than {}; select fewer peers", Limits::ELEMENTS),
        ));
    }
    for (key, chain) in &table.chains {
        name(&at("chain", key), key)?;
        for (index, rule) in chain.rules.iter().enumerate() {
            check_rule(&format!("rule {} of chain `{key}`", index + 1), table, rule)?;
        }
    }
    graph::check(table)
}

pub(super) fn wrong(place: &str, reason: &str) -> TooLarge {
    TooLarge { place: place.to_owned(), reason: reason.to_owned() }
}

fn name(place: &str, name: &str) -> Result<(), TooLarge> {
    let letters = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !letters {
        return Err(wrong(place, "a name is a letter and then letters, digits and `_`"));
    }
    if name.len() > Limits::NAME {
        return Err(wrong(
            place,
            &format!("the name has {} bytes and may have {}", name.len(), Limits::NAME),
        ));
    }
    if RESERVED.split_whitespace().any(|word| word == name) {
        return Err(wrong(place, "`nft` has another use for this word; choose another name"));
    }
    Ok(())
}

fn text(place: &str, what: &str, text: &str, limit: usize) -> Result<(), TooLarge> {
    if text.len() > limit {
        return Err(wrong(place, &format!("the {what} has {} bytes and may have {limit}", text.len())));
    }
    if text.chars().any(|char| char.is_control() || matches!(char, '"' | '\\' | '$' | '*')) {
        return Err(wrong(
            place,
            &format!("the {what} `{}` has a character that `nft` cannot quote", text.escape_debug()),
        ));
    }
    Ok(())
}

fn set_shape(place: &str, key: &[KeyType]) -> Result<(), TooLarge> {
    if key.is_empty() {
        return Err(wrong(place, "a key has at least one field"));
    }
    let bytes: usize = key.iter().map(|field| field.bytes().next_multiple_of(4)).sum();
    if bytes > Limits::KEY {
        return Err(wrong(place, &format!("the key has {bytes} bytes and may have {}", Limits::KEY)));
    }
    if key.len() > 1 && key.iter().any(|field| matches!(field, KeyType::Icmp | KeyType::Icmpv6)) {
        return Err(wrong(place, "types of ICMP messages stand alone in a key"));
    }
    Ok(())
}

fn size(place: &str, size: Option<u32>, interval: bool, length: usize) -> Result<(), TooLarge> {
    let Some(size) = size else { return Ok(()) };
    // The kernel counts a range's start and end as two, and not the same in all versions.
    if interval {
        return Err(wrong(place, "a set with ranges has no size; leave it out"));
    }
    if size == 0 || !usize::try_from(size).is_ok_and(|size| length <= size) {
        return Err(wrong(
            place,
            &format!("there are {length} elements and room for {size}; make it larger"),
        ));
    }
    Ok(())
}

fn elements<'a>(
    place: &str,
    interval: bool,
    key: &[KeyType],
    elements: impl Iterator<Item = &'a Element>,
) -> Result<(), TooLarge> {
    let mut boxes: Vec<(Vec<(u128, u128)>, &Element)> = Vec::new();
    for element in elements {
        let shown = || crate::text::element(element, key);
        if element.len() != key.len() || !key.iter().zip(element).all(|(field, value)| field.admits(value)) {
            return Err(wrong(
                place,
                &format!("the element `{}` is not of type `{}`", shown(), crate::text::key_type(key)),
            ));
        }
        for value in element {
            range(place, value, interval)?;
        }
        if interval {
            boxes.push((element.iter().map(Value::bounds).collect(), element));
        }
    }
    overlap(boxes).map_or(Ok(()), |(one, other)| {
        let [one, other] = [one, other].map(|element| crate::text::element(element, key));
        Err(wrong(place, &format!("`{one}` and `{other}` overlap; ranges must be disjoint")))
    })
}

fn range(place: &str, value: &Value, interval: bool) -> Result<(), TooLarge> {
    if !matches!(value, Value::Ipv4Range(..) | Value::Ipv6Range(..) | Value::PortRange(..)) {
        return Ok(());
    }
    let (first, last) = value.bounds();
    if !interval {
        return Err(wrong(place, "a set without the flag interval holds no ranges"));
    }
    if first >= last {
        return Err(wrong(place, "a range goes from a value to a higher one; write one value as one value"));
    }
    Ok(())
}

/// Two elements that have a value in common: those that overlap in the first field are neighbours when sorted by it.
fn overlap(mut boxes: Vec<(Vec<(u128, u128)>, &Element)>) -> Option<(&Element, &Element)> {
    boxes.sort();
    let mut open: Vec<(Vec<(u128, u128)>, &Element)> = Vec::new();
    for (bounds, element) in boxes {
        let start = bounds.first().map_or(0, |field| field.0);
        open.retain(|(other, _)| other.first().is_some_and(|field| field.1 >= start));
        let meets = |other: &[(u128, u128)]| {
            other.iter().zip(&bounds).all(|(one, two)| one.0 <= two.1 && two.0 <= one.1)
        };
        if let Some((_, other)) = open.iter().find(|(other, _)| meets(other)) {
            return Some((other, element));
        }
        open.push((bounds, element));
    }
    None
}

fn target(place: &str, table: &Table, verdict: &Verdict) -> Result<(), TooLarge> {
    let (Verdict::Jump(chain) | Verdict::Goto(chain)) = verdict else { return Ok(()) };
    match table.chains.get(chain) {
        None => Err(wrong(place, &format!("leads to the chain `{chain}`, which is not there"))),
        Some(chain_of) if chain_of.hook.is_some() => {
            Err(wrong(place, &format!("leads to the base chain `{chain}`, which only the kernel enters")))
        }
        Some(_) => Ok(()),
    }
}

fn check_rule(place: &str, table: &Table, rule: &Rule) -> Result<(), TooLarge> {
    if let Some(comment) = &rule.comment {
        text(place, "comment", comment, Limits::COMMENT)?;
    }
    if rule.statements.is_empty() {
        return Err(wrong(place, "a rule has at least one statement"));
    }
    let mut known = Known::default();
    let tests_family = |statement: &Statement| matches!(statement, Statement::Family(_));
    if rule.statements.iter().any(tests_family)
        && !matches!(
            rule.statements.as_slice(),
            [Statement::Family(_)] | [Statement::Family(_), Statement::Verdict(_)]
        )
    {
        // What `nft` lists of such rules is not what they say.
        return Err(wrong(place, "a family is tested before a verdict and nothing else; use two chains"));
    }
    for (index, statement) in rule.statements.iter().enumerate() {
        if ends(statement) && index + 1 < rule.statements.len() {
            return Err(wrong(place, "a verdict ends the rule; put it last"));
        }
        check_statement(place, table, statement, &mut known)?;
    }
    let count = crate::netlink::expressions(rule);
    if count > Limits::EXPRESSIONS {
        return Err(wrong(
            place,
            &format!("the rule has {count} expressions and may have {}", Limits::EXPRESSIONS),
        ));
    }
    Ok(())
}

/// What the statements so far made sure of.
#[derive(Default)]
struct Known {
    family: Option<ringfence_model::address::Family>,
    protocol: Option<u8>,
    /// Whether a statement of its own tested the protocol.
    tested: bool,
    /// Ports that were compared with one value, and whether for being another.
    ports: Vec<(Field, bool)>,
}

/// Protocols with ports at the start of their headers: TCP, UDP, DCCP, SCTP, UDP-Lite.
const PORTS: [u8; 5] = [6, 17, 33, 132, 136];

impl Known {
    fn read(&mut self, place: &str, field: Field) -> Result<(), TooLarge> {
        let protocol = match field {
            Field::IcmpType => Some(1),
            Field::Icmpv6Type => Some(58),
            _ => None,
        };
        let clash = self.family.zip(field.family()).is_some_and(|(one, other)| one != other)
            || self.protocol.zip(protocol).is_some_and(|(one, other)| one != other);
        if clash {
            return Err(wrong(place, "no packet has all these fields"));
        }
        // `nft` 1.0.6 aborts when it lists such a rule.
        let ports = matches!(field, Field::SourcePort | Field::DestinationPort);
        if ports && self.protocol.is_some_and(|protocol| !PORTS.contains(&protocol)) {
            return Err(wrong(place, "the protocol that the rule tests has no ports"));
        }
        if protocol.is_some() && self.tested {
            return Err(wrong(
                place,
                "the type of an ICMP message tests the protocol itself; leave out `meta l4proto`",
            ));
        }
        self.family = self.family.or(field.family());
        self.protocol = self.protocol.or(protocol);
        Ok(())
    }
}

fn ends(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Verdict(_)
            | Statement::VerdictMap { .. }
            | Statement::Reject(_)
            | Statement::Dnat(..)
            | Statement::Masquerade
    )
}

fn check_statement(
    place: &str,
    table: &Table,
    statement: &Statement,
    known: &mut Known,
) -> Result<(), TooLarge> {
    match statement {
        Statement::Is { field, value, negated } => {
            known.read(place, *field)?;
            if !field.key_type().admits(value) {
                return Err(wrong(place, "the value is not of the field's type"));
            }
            range(place, value, true)?;
            if matches!(value, Value::Port(_)) {
                // `nft` 1.0.6 makes one comparison of both, which is wrong if negated and which it cannot list well.
                if known.ports.iter().any(|(other, sign)| other != field && sign == negated) {
                    return Err(wrong(
                        place,
                        "both ports are compared with one value each; look both up in a set",
                    ));
                }
                known.ports.push((*field, *negated));
            }
            if let (Field::Protocol, Value::Protocol(protocol)) = (field, value) {
                if known.protocol.is_some() {
                    return Err(wrong(place, "the protocol is tested twice"));
                }
                known.tested = true;
                if !negated {
                    known.protocol = Some(*protocol);
                }
            }
            Ok(())
        }
        Statement::In { fields, set, .. } => {
            let found: &BTreeMap<Name, Set> = &table.sets;
            lookup(place, fields, set, found.get(set).map(|set| set.key.as_slice()), known)
        }
        Statement::VerdictMap { fields, map } => {
            let found: &BTreeMap<Name, Map> = &table.maps;
            lookup(place, fields, map, found.get(map).map(|map| map.key.as_slice()), known)
        }
        Statement::State(bits) if *bits == 0 || bits & !0x4f != 0 => {
            Err(wrong(place, "a state is some of invalid 1, established 2, related 4, new 8, untracked 64"))
        }
        Statement::Mark { mask, value, .. } | Statement::SetMark { mask, value }
            if *mask == 0 || value & !mask != 0 =>
        {
            Err(wrong(place, "a mark's value lies in its mask, which is not 0"))
        }
        Statement::Limit { rate, burst } if *rate == 0 || *burst == 0 => {
            Err(wrong(place, "a limit's rate and burst are at least 1"))
        }
        Statement::Random(random) if random.one_in == 0 => {
            Err(wrong(place, "one packet in 0 is none; say at least 1"))
        }
        Statement::Log(to) => text(place, "log prefix", &to.prefix, Limits::LOG_PREFIX),
        Statement::Dnat(address, port) => {
            let family = ringfence_model::address::Family::of(*address);
            if known.protocol.is_none() {
                return Err(wrong(
                    place,
                    "a destination port is changed only after the protocol is known; test `meta l4proto` first",
                ));
            }
            if known.family.is_some_and(|known| known != family) || *port == 0 {
                return Err(wrong(
                    place,
                    "the new destination is of the packet's family and has a port above 0",
                ));
            }
            Ok(())
        }
        Statement::Reject(Reject::TcpReset) if known.protocol != Some(6) => {
            Err(wrong(place, "only TCP has resets; test `meta l4proto tcp` first"))
        }
        Statement::Verdict(verdict) => target(place, table, verdict),
        _ => Ok(()),
    }
}

fn lookup(
    place: &str,
    fields: &[Field],
    set: &str,
    key: Option<&[KeyType]>,
    known: &mut Known,
) -> Result<(), TooLarge> {
    let Some(key) = key else {
        return Err(wrong(place, &format!("looks into `{set}`, which is not there")));
    };
    let types: Vec<KeyType> = fields.iter().map(|field| field.key_type()).collect();
    if types != key {
        let types = crate::text::key_type(&types);
        return Err(wrong(
            place,
            &format!("looks for `{types}` in `{set}`, whose key is `{}`", crate::text::key_type(key)),
        ));
    }
    fields.iter().try_for_each(|field| known.read(place, *field))
}
