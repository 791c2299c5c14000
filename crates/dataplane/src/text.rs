//! A program as the text that `nft -f` takes. In: a table. Out: the same text for the same table, laid out as `nft list`
//! lays it out, so that the two can be read side by side.

use std::fmt::Write as _;

use ringfence_model::address::Family;

use crate::nft::{
    Chain, Element, Field, Hook, HookPoint, KeyType, Map, Reject, Rule, Set, Statement, Table, Value, Verdict,
};

/// Columns after which a list of elements goes on in the next line.
const WIDTH: usize = 100;

/// The whole table. Loading it adds to a table of the same name that exists; [`replacing`] does not.
#[must_use]
pub fn render(table: &Table) -> String {
    let mut blocks = Vec::new();
    blocks.extend(table.sets.iter().map(|(name, set)| render_set(name, set)));
    blocks.extend(table.maps.iter().map(|(name, map)| render_map(name, map)));
    for base in [false, true] {
        let chains = table.chains.iter().filter(|(_, chain)| chain.hook.is_some() == base);
        blocks.extend(chains.map(|(name, chain)| render_chain(name, chain)));
    }
    format!("table inet {} {{\n{}}}\n", table.name, blocks.join("\n"))
}

/// The whole table in place of what has its name, as one transaction.
#[must_use]
pub fn replacing(table: &Table) -> String {
    format!("table inet {0}\ndelete table inet {0}\n{1}", table.name, render(table))
}

/// One rule, without a line's end.
#[must_use]
pub fn rule(rule: &Rule) -> String {
    let mut parts: Vec<String> = rule.statements.iter().map(statement).collect();
    if let Some(comment) = &rule.comment {
        parts.push(format!("comment \"{comment}\""));
    }
    parts.join(" ")
}

/// The elements of a set, as they stand between braces.
#[must_use]
pub fn element(element: &Element, key: &[KeyType]) -> String {
    let fields: Vec<String> = element.iter().zip(key).map(|(value, key)| self::value(value, *key)).collect();
    fields.join(" . ")
}

/// A verdict.
#[must_use]
pub fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".into(),
        Verdict::Drop => "drop".into(),
        Verdict::Return => "return".into(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
    }
}

/// What a set or map says of its key.
#[must_use]
pub fn key_type(key: &[KeyType]) -> String {
    let names: Vec<&str> = key.iter().map(|key| key_name(*key)).collect();
    names.join(" . ")
}

/// The line that makes a chain a base chain.
#[must_use]
pub fn hook(hook: Hook) -> String {
    format!(
        "type {} hook {} priority {}; policy accept;",
        if hook.nat { "nat" } else { "filter" },
        match hook.point {
            HookPoint::Prerouting => "prerouting",
            HookPoint::Input => "input",
            HookPoint::Forward => "forward",
            HookPoint::Output => "output",
            HookPoint::Postrouting => "postrouting",
        },
        hook.priority
    )
}

fn render_set(name: &str, set: &Set) -> String {
    let elements = set.elements.iter().map(|item| element(item, &set.key));
    block("set", name, &key_type(&set.key), set.interval, set.size, elements)
}

fn render_map(name: &str, map: &Map) -> String {
    let elements =
        map.elements.iter().map(|(item, to)| format!("{} : {}", element(item, &map.key), verdict(to)));
    block("map", name, &format!("{} : verdict", key_type(&map.key)), map.interval, map.size, elements)
}

fn block(
    kind: &str,
    name: &str,
    types: &str,
    interval: bool,
    size: Option<u32>,
    elements: impl Iterator<Item = String>,
) -> String {
    let mut text = format!("\t{kind} {name} {{\n\t\ttype {types}\n");
    if let Some(size) = size {
        let _ = writeln!(text, "\t\tsize {size}");
    }
    if interval {
        text.push_str("\t\tflags interval\n");
    }
    let mut column = 0;
    for (index, element) in elements.enumerate() {
        if index == 0 {
            text.push_str("\t\telements = { ");
        } else if column + element.len() > WIDTH {
            text.push_str(",\n\t\t\t     ");
            column = 0;
        } else {
            text.push_str(", ");
        }
        column += element.len() + 2;
        text.push_str(&element);
    }
    if column > 0 {
        text.push_str(" }\n");
    }
    text.push_str("\t}\n");
    text
}

fn render_chain(name: &str, chain: &Chain) -> String {
    let mut text = format!("\tchain {name} {{\n");
    if let Some(hook) = chain.hook {
        let _ = writeln!(text, "\t\t{}", self::hook(hook));
    }
    for rule in &chain.rules {
        let _ = writeln!(text, "\t\t{}", self::rule(rule));
    }
    text.push_str("\t}\n");
    text
}

fn key_name(key: KeyType) -> &'static str {
    match key {
        KeyType::Ipv4 => "ipv4_addr",
        KeyType::Ipv6 => "ipv6_addr",
        KeyType::Protocol => "inet_proto",
        KeyType::Port => "inet_service",
        KeyType::Icmp => "icmp_type",
        KeyType::Icmpv6 => "icmpv6_type",
    }
}

fn field(field: Field) -> &'static str {
    match field {
        Field::Source(Family::V4) => "ip saddr",
        Field::Source(Family::V6) => "ip6 saddr",
        Field::Destination(Family::V4) => "ip daddr",
        Field::Destination(Family::V6) => "ip6 daddr",
        Field::Protocol => "meta l4proto",
        Field::SourcePort => "th sport",
        Field::DestinationPort => "th dport",
        Field::IcmpType => "icmp type",
        Field::Icmpv6Type => "icmpv6 type",
    }
}

fn fields(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|item| field(*item)).collect();
    names.join(" . ")
}

fn statement(statement: &Statement) -> String {
    let not = |negated: &bool| if *negated { "!= " } else { "" };
    match statement {
        Statement::Is { field: of, value, negated } => {
            format!("{} {}{}", field(*of), not(negated), self::value(value, of.key_type()))
        }
        Statement::In { fields: of, set, negated } => format!("{} {}@{set}", fields(of), not(negated)),
        Statement::Family(Family::V4) => "meta nfproto ipv4".into(),
        Statement::Family(Family::V6) => "meta nfproto ipv6".into(),
        Statement::Reply(true) => "ct direction reply".into(),
        Statement::Reply(false) => "ct direction original".into(),
        Statement::State(bits) => format!("ct state {}", state(*bits)),
        Statement::Mark { mask: u32::MAX, value, negated } => {
            format!("ct mark {}{value:#010x}", not(negated))
        }
        Statement::Mark { mask, value, negated } => {
            format!("ct mark & {mask:#010x} {} {value:#010x}", if *negated { "!=" } else { "==" })
        }
        Statement::SetMark { mask: u32::MAX, value } => format!("ct mark set {value:#010x}"),
        Statement::SetMark { mask, value: 0 } => format!("ct mark set ct mark & {:#010x}", !mask),
        Statement::SetMark { mask, value } => {
            format!("ct mark set ct mark & {:#010x} | {value:#010x}", !mask)
        }
        Statement::Limit { rate, burst } => format!("limit rate {rate}/second burst {burst} packets"),
        Statement::Random(random) => format!("numgen random mod {} == 0", random.one_in),
        Statement::Counter => "counter".into(),
        Statement::Log(to) => {
            let mut text = "log".to_owned();
            if !to.prefix.is_empty() {
                let _ = write!(text, " prefix \"{}\"", to.prefix);
            }
            let _ = write!(text, " group {}", to.group);
            if to.snaplen > 0 {
                let _ = write!(text, " snaplen {}", to.snaplen);
            }
            if to.queue_threshold > 0 {
                let _ = write!(text, " queue-threshold {}", to.queue_threshold);
            }
            text
        }
        Statement::Dnat(std::net::IpAddr::V4(address), port) => format!("dnat ip to {address}:{port}"),
        Statement::Dnat(std::net::IpAddr::V6(address), port) => format!("dnat ip6 to [{address}]:{port}"),
        Statement::Masquerade => "masquerade".into(),
        Statement::Reject(Reject::TcpReset) => "reject with tcp reset".into(),
        Statement::Reject(Reject::AdminProhibited) => "reject with icmpx type admin-prohibited".into(),
        Statement::VerdictMap { fields: of, map } => format!("{} vmap @{map}", fields(of)),
        Statement::Verdict(to) => verdict(to),
    }
}

fn state(bits: u32) -> String {
    let names: Vec<&str> =
        [(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")]
            .into_iter()
            .filter_map(|(bit, name)| (bits & bit != 0).then_some(name))
            .collect();
    names.join(",")
}

/// A value or range, ranges of addresses as a prefix where they are one.
fn value(value: &Value, key: KeyType) -> String {
    if let Some((network, length)) = value.prefix() {
        return format!("{network}/{length}");
    }
    match *value {
        Value::Ipv4(address) => address.to_string(),
        Value::Ipv6(address) => address.to_string(),
        Value::Ipv4Range(first, last) if first == last => first.to_string(),
        Value::Ipv6Range(first, last) if first == last => first.to_string(),
        Value::Ipv4Range(first, last) => format!("{first}-{last}"),
        Value::Ipv6Range(first, last) => format!("{first}-{last}"),
        Value::Protocol(number) => match number {
            1 => "icmp".into(),
            6 => "tcp".into(),
            17 => "udp".into(),
            58 => "ipv6-icmp".into(),
            132 => "sctp".into(),
            _ => number.to_string(),
        },
        Value::Port(port) => port.to_string(),
        Value::PortRange(first, last) if first == last => first.to_string(),
        Value::PortRange(first, last) => format!("{first}-{last}"),
        Value::Icmp(number) => icmp(number, key).map_or_else(|| number.to_string(), str::to_owned),
    }
}

fn icmp(number: u8, key: KeyType) -> Option<&'static str> {
    Some(match (key, number) {
        (KeyType::Icmp, 0) | (KeyType::Icmpv6, 129) => "echo-reply",
        (KeyType::Icmp, 8) | (KeyType::Icmpv6, 128) => "echo-request",
        (KeyType::Icmp, 3) | (KeyType::Icmpv6, 1) => "destination-unreachable",
        (KeyType::Icmp, 11) | (KeyType::Icmpv6, 3) => "time-exceeded",
        (KeyType::Icmp, 12) | (KeyType::Icmpv6, 4) => "parameter-problem",
        (KeyType::Icmp, 5) => "redirect",
        (KeyType::Icmpv6, 2) => "packet-too-big",
        (KeyType::Icmpv6, 133) => "nd-router-solicit",
        (KeyType::Icmpv6, 134) => "nd-router-advert",
        (KeyType::Icmpv6, 135) => "nd-neighbor-solicit",
        (KeyType::Icmpv6, 136) => "nd-neighbor-advert",
        (KeyType::Icmpv6, 137) => "nd-redirect",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::LogTo;

    fn rule(statements: Vec<Statement>) -> Rule {
        Rule { statements, comment: None }
    }

    #[test]
    fn a_program_reads_as_nft_lists_it() {
        let mut table = Table::new("t");
        let key = vec![KeyType::Ipv4, KeyType::Protocol, KeyType::Port];
        let element = vec![
            Value::Ipv4Range([10, 0, 0, 0].into(), [10, 0, 0, 255].into()),
            Value::Protocol(6),
            Value::PortRange(80, 90),
        ];
        let set = Set { key, interval: true, size: None, elements: [element].into() };
        table.sets.insert("allowed".into(), set);
        let elements = [(vec![Value::Ipv4([10, 0, 0, 2].into())], Verdict::Goto("deny_1".into()))].into();
        table.maps.insert(
            "pods".into(),
            Map { key: vec![KeyType::Ipv4], interval: false, size: Some(64), elements },
        );
        let log = LogTo { prefix: "i:shop/web".into(), group: 13, snaplen: 128, queue_threshold: 16 };
        let deny = vec![
            rule(vec![Statement::Limit { rate: 10, burst: 20 }, Statement::Log(log)]),
            rule(vec![Statement::Counter, Statement::Reject(Reject::AdminProhibited)]),
        ];
        table.chains.insert("deny_1".into(), Chain { hook: None, rules: deny });
        let fields = vec![Field::Source(Family::V4), Field::Protocol, Field::DestinationPort];
        let forwarded = vec![
            rule(vec![
                Statement::Mark { mask: 0xffff_0000, value: 0x1_0000, negated: false },
                Statement::Verdict(Verdict::Accept),
            ]),
            rule(vec![
                Statement::In { fields, set: "allowed".into(), negated: false },
                Statement::SetMark { mask: 0xffff_0000, value: 0x1_0000 },
            ]),
            rule(vec![Statement::VerdictMap {
                fields: vec![Field::Destination(Family::V4)],
                map: "pods".into(),
            }]),
        ];
        let hook = Hook { point: HookPoint::Forward, nat: false, priority: -5 };
        table.chains.insert("a_forwarded".into(), Chain { hook: Some(hook), rules: forwarded });
        let expected = r#"table inet t {
	set allowed {
		type ipv4_addr . inet_proto . inet_service
		flags interval
		elements = { 10.0.0.0/24 . tcp . 80-90 }
	}

	map pods {
		type ipv4_addr : verdict
		size 64
		elements = { 10.0.0.2 : goto deny_1 }
	}

	chain deny_1 {
		limit rate 10/second burst 20 packets log prefix "i:shop/web" group 13 snaplen 128 queue-threshold 16
		counter reject with icmpx type admin-prohibited
	}

	chain a_forwarded {
		type filter hook forward priority -5; policy accept;
		ct mark & 0xffff0000 == 0x00010000 accept
		ip saddr . meta l4proto . th dport @allowed ct mark set ct mark & 0x0000ffff | 0x00010000
		ip daddr vmap @pods
	}
}
"#;
        assert_eq!(render(&table), expected);
        assert_eq!(replacing(&table), format!("table inet t\ndelete table inet t\n{expected}"));
    }
}
