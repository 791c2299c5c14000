//! Addresses and CIDRs. In: nodes. Out: networks with their host bits cleared.

use std::net::IpAddr;

use ipnet::IpNet;
use ringfence_model::address::Family;

use crate::{decode::cursor::Decoder, tree::Node};

const ALLOWED: &str = "an address and a prefix length, such as `10.0.0.0/8` or `2001:db8::/32`";

/// A network in CIDR notation. Host bits that are set draw a warning, as they do from the API server.
pub(crate) fn cidr(d: &mut Decoder<'_>, node: &Node<'_>, what: &str) -> Option<IpNet> {
    let text = d.string(node, what)?;
    let Some(net) = parse(text) else {
        let allowed = match text.parse::<IpAddr>() {
            Ok(address) => {
                format!("add the prefix length: `{address}/{}`", if address.is_ipv4() { 32 } else { 128 })
            }
            Err(_) if has_leading_zero(text) => {
                "numbers must not begin with a zero: it is not clear whether they are octal".to_owned()
            }
            Err(_) => ALLOWED.to_owned(),
        };
        d.error(node, "invalid-cidr", format!("{what} `{text}` is not a CIDR"), allowed);
        return None;
    };
    let clean = net.trunc();
    if clean != net {
        let message = format!("{what} `{text}` has bits set beyond its prefix length");
        d.warning(node, "host-bits", message, format!("it means `{clean}`"));
    }
    Some(clean)
}

/// A CIDR as text, host bits kept.
pub(crate) fn parse(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (length.len() > 1 && length.starts_with('0')) {
        return None;
    }
    let address: IpAddr = address.parse().ok()?;
    IpNet::new(address, length.parse().ok()?).ok()
}

fn has_leading_zero(text: &str) -> bool {
    !text.contains(':')
        && text.split(['.', '/']).any(|part| {
            part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// The entries of `except`: each lies within the CIDR. `strictly` forbids the whole of it, as NetworkPolicy does.
pub(crate) fn except(
    d: &mut Decoder<'_>,
    items: &[Node<'_>],
    cidr: Option<IpNet>,
    strictly: bool,
) -> Vec<IpNet> {
    let mut nets = Vec::with_capacity(items.len());
    for item in items {
        let Some(net) = self::cidr(d, item, "`except`") else { continue };
        let Some(cidr) = cidr else { continue };
        let text = item.text().unwrap_or_default();
        if Family::of_net(&net) != Family::of_net(&cidr) {
            let message = format!("`except` `{text}` is of another address family than `{cidr}`");
            d.error(item, "except-outside", message, format!("a part of `{cidr}`"));
        } else if !cidr.contains(&net) {
            let message = format!("`except` `{text}` is not within `{cidr}`");
            d.error(item, "except-outside", message, format!("a part of `{cidr}`"));
        } else if strictly && net == cidr {
            let message = format!("`except` `{text}` is all of `{cidr}`");
            d.error(item, "except-outside", message, format!("a smaller part of `{cidr}`"));
        } else {
            nets.push(net);
        }
    }
    nets
}

/// The address in a string field, left out silently if it is not one (status fields hold what controllers write).
pub(crate) fn address(node: &Node<'_>) -> Option<IpAddr> {
    node.text()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidrs_parse_as_in_the_api() {
        for text in ["10.0.0.0/8", "10.1.2.3/8", "::/0", "2001:db8::1/128", "0.0.0.0/0"] {
            assert!(parse(text).is_some(), "{text}");
        }
        for text in [
            "10.0.0.0",
            "10.0.0/8",
            "10.0.0.0/33",
            "010.0.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "x/8",
            "::/129",
            "/8",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
