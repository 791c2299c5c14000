//! One question, one answer. In: the bytes of a DNS message and the zone. Out: the bytes of the response (RFC 1035).

use std::net::IpAddr;

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{CNAME, SRV},
    },
};
use ringfence_model::address::Family;

use super::zone::{Entry, Zone};

/// Seconds that answers may be kept: none, as an edit changes them within a second.
const TTL: u32 = 0;

/// Bytes of a response over UDP to a client that says nothing of its buffer.
const PLAIN: u16 = 512;

/// How often an alias of an alias is followed.
const ALIASES: usize = 8;

/// The response to a message. Over UDP, one that is too long is cut and says so, and the client asks again over TCP. Nothing for
/// what is no question: a response, or less than a header.
pub(crate) fn respond(bytes: &[u8], zone: &Zone, udp: bool) -> Option<Vec<u8>> {
    let Ok(asked) = Message::from_vec(bytes) else {
        let id = u16::from_be_bytes(*bytes.first_chunk()?);
        let response = *bytes.get(2)? & 0x80 != 0;
        return if response || bytes.len() < 12 {
            None
        } else {
            error(id, OpCode::Query, ResponseCode::FormErr)
        };
    };
    let (id, operation) = (asked.metadata.id, asked.metadata.op_code);
    if asked.metadata.message_type != MessageType::Query {
        return None;
    }
    let ([query], OpCode::Query) = (asked.queries.as_slice(), operation) else {
        return error(id, operation, ResponseCode::NotImp);
    };
    if query.query_class() != DNSClass::IN {
        return error(id, operation, ResponseCode::Refused);
    }
    let mut response = Message::response(id, operation);
    response.metadata.recursion_desired = asked.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.authoritative = true;
    response.add_query(query.clone());
    let found = fill(&mut response, query, zone);
    response.metadata.response_code = if found { ResponseCode::NoError } else { ResponseCode::NXDomain };
    let room = asked.edns.as_ref().map_or(PLAIN, |edns| edns.max_payload().max(PLAIN));
    if asked.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        response.set_edns(edns);
    }
    let bytes = response.to_vec().ok()?;
    if udp && bytes.len() > usize::from(room) {
        return response.truncate().to_vec().ok();
    }
    Some(bytes)
}

fn error(id: u16, operation: OpCode, code: ResponseCode) -> Option<Vec<u8>> {
    Message::error_msg(id, operation, code).to_vec().ok()
}

/// Adds the records for a question; whether there is such a name.
fn fill(response: &mut Message, query: &Query, zone: &Zone) -> bool {
    let mut name = query.name().clone();
    let Some(mut entry) = zone.get(&name.to_ascii()) else { return false };
    for _ in 0..ALIASES {
        let Some(alias) = &entry.alias else { break };
        let Some(target) = absolute(alias) else { break };
        response.add_answer(Record::from_rdata(name, TTL, RData::CNAME(CNAME(target.clone()))));
        name = target;
        let Some(next) = zone.get(alias) else { return true };
        entry = next;
    }
    let wants = |kind: RecordType| query.query_type() == kind || query.query_type() == RecordType::ANY;
    for (family, kind) in [(Family::V4, RecordType::A), (Family::V6, RecordType::AAAA)] {
        if wants(kind) {
            response.add_answers(entry.of(family).map(|address| record(&name, address)));
        }
    }
    if wants(RecordType::SRV) {
        add_ports(response, &name, entry, zone);
    }
    true
}

/// The hosts that have a port, and their addresses, so that nobody has to ask again.
fn add_ports(response: &mut Message, name: &Name, entry: &Entry, zone: &Zone) {
    for (port, host) in &entry.ports {
        let Some(target) = absolute(host) else { continue };
        let data = RData::SRV(SRV::new(0, 100, *port, target.clone()));
        response.add_answer(Record::from_rdata(name.clone(), TTL, data));
        let addresses = zone.get(host).map(|host| host.addresses.clone()).unwrap_or_default();
        response.add_additionals(addresses.into_iter().map(|address| record(&target, address)));
    }
}

fn record(name: &Name, address: IpAddr) -> Record {
    let data = match address {
        IpAddr::V4(v4) => RData::A(v4.into()),
        IpAddr::V6(v6) => RData::AAAA(v6.into()),
    };
    Record::from_rdata(name.clone(), TTL, data)
}

fn absolute(name: &str) -> Option<Name> {
    Name::from_ascii(format!("{name}.")).ok()
}
