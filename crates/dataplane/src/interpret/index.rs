//! Sets and maps made ready for look-ups. In: elements. Out: an index whose look-ups do not depend on how many elements
//! there are.

use rustc_hash::FxHashMap;

use super::Invalid;
use crate::nft::{Element, Field, KeyType, Name, Value};
use ringfence_model::address::Family;

/// Registers of 4 bytes that a key has at most (`NFT_REG32_COUNT`), and so its fields.
pub(super) const FIELDS: usize = 16;

/// A key as numbers, with the fields that the set has.
pub(super) struct Key {
    fields: [u128; FIELDS],
    len: usize,
}

impl Key {
    pub(super) fn new() -> Self {
        Self { fields: [0; FIELDS], len: 0 }
    }

    pub(super) fn push(&mut self, value: u128) {
        if let Some(slot) = self.fields.get_mut(self.len) {
            *slot = value;
            self.len += 1;
        }
    }

    fn as_slice(&self) -> &[u128] {
        self.fields.get(..self.len).unwrap_or_default()
    }
}

/// A set (`T` is nothing) or a map.
pub(super) enum Index<T> {
    /// One field, no ranges.
    Exact(FxHashMap<u128, T>),
    /// Several fields, no ranges.
    Tuples(FxHashMap<Box<[u128]>, T>),
    /// One field with ranges, by first value, disjoint.
    Ranges(Vec<(u128, u128, T)>),
    /// Several fields with ranges: elements that have ranges in the same fields together.
    Boxes(Vec<Shape<T>>),
}

/// From first to last, one a field.
type Spans = Box<[(u128, u128)]>;

/// Elements that have ranges in the same fields: found by the other fields, then by the first range.
pub(super) struct Shape<T> {
    /// Which fields are ranges.
    ranges: Vec<bool>,
    /// By the exact fields; sorted by the others.
    elements: FxHashMap<Box<[u128]>, Vec<(Spans, T)>>,
}

impl<T> Index<T> {
    /// Builds the index.
    pub(super) fn new(
        name: &Name,
        key: &[KeyType],
        interval: bool,
        elements: impl Iterator<Item = (Element, T)>,
    ) -> Result<Self, Invalid> {
        if key.is_empty() || key.len() > FIELDS {
            return Err(Invalid::Key(name.clone()));
        }
        let mut read = Vec::new();
        for (element, value) in elements {
            if element.len() != key.len() {
                return Err(Invalid::Element(name.clone()));
            }
            let mut fields = Vec::with_capacity(key.len());
            for (kind, value) in key.iter().zip(&element) {
                let (first, last) = span(*kind, *value).ok_or_else(|| Invalid::Element(name.clone()))?;
                if first > last || (first != last && !interval) {
                    return Err(Invalid::Element(name.clone()));
                }
                fields.push((first, last));
            }
            read.push((fields.into_boxed_slice(), value));
        }
        Ok(match (key.len(), interval) {
            (1, false) => Self::Exact(
                read.into_iter().filter_map(|(fields, value)| Some((fields.first()?.0, value))).collect(),
            ),
            (_, false) => Self::Tuples(
                read.into_iter()
                    .map(|(fields, value)| (fields.iter().map(|(first, _)| *first).collect(), value))
                    .collect(),
            ),
            (1, true) => {
                let mut ranges: Vec<(u128, u128, T)> = read
                    .into_iter()
                    .filter_map(|(fields, value)| fields.first().map(|(first, last)| (*first, *last, value)))
                    .collect();
                ranges.sort_unstable_by_key(|(first, ..)| *first);
                let overlaps = |pair: &[(u128, u128, T)]| matches!(pair, [a, b] if a.1 >= b.0);
                if ranges.windows(2).any(overlaps) {
                    return Err(Invalid::Overlap(name.clone()));
                }
                Self::Ranges(ranges)
            }
            (_, true) => Self::Boxes(boxes(name, read)?),
        })
    }

    /// What is stored under the key.
    pub(super) fn get(&self, key: &Key) -> Option<&T> {
        let key = key.as_slice();
        match self {
            Self::Exact(elements) => elements.get(key.first()?),
            Self::Tuples(elements) => elements.get(key),
            Self::Ranges(ranges) => {
                let value = key.first()?;
                let after = ranges.partition_point(|(first, ..)| first <= value);
                let (_, last, found) = ranges.get(after.checked_sub(1)?)?;
                (value <= last).then_some(found)
            }
            Self::Boxes(shapes) => shapes.iter().find_map(|shape| shape.get(key)),
        }
    }
}

impl<T> Shape<T> {
    fn get(&self, key: &[u128]) -> Option<&T> {
        let mut exact = Key::new();
        let mut ranged = Key::new();
        for (value, range) in key.iter().zip(&self.ranges) {
            if *range { ranged.push(*value) } else { exact.push(*value) }
        }
        let candidates = self.elements.get(exact.as_slice())?;
        match ranged.as_slice() {
            // Disjoint and sorted: only the last that starts early enough can hold the value.
            [value] => {
                let starts =
                    |fields: &[(u128, u128)]| fields.first().is_some_and(|(first, _)| first <= value);
                let after = candidates.partition_point(|(fields, _)| starts(fields));
                let (fields, found) = candidates.get(after.checked_sub(1)?)?;
                fields.first().is_some_and(|(_, last)| value <= last).then_some(found)
            }
            values => candidates.iter().find_map(|(fields, found)| {
                let inside = |((first, last), value): (&(u128, u128), &u128)| first <= value && value <= last;
                fields.iter().zip(values).all(inside).then_some(found)
            }),
        }
    }
}

/// Puts elements with ranges in the same fields together.
fn boxes<T>(name: &Name, read: Vec<(Spans, T)>) -> Result<Vec<Shape<T>>, Invalid> {
    let mut shapes: Vec<Shape<T>> = Vec::new();
    for (fields, value) in read {
        let ranges: Vec<bool> = fields.iter().map(|(first, last)| first != last).collect();
        let exact = fields.iter().filter(|(first, last)| first == last).map(|(first, _)| *first).collect();
        let ranged = fields.iter().filter(|(first, last)| first != last).copied().collect();
        let at = shapes.iter().position(|shape| shape.ranges == ranges).unwrap_or(shapes.len());
        if at == shapes.len() {
            shapes.push(Shape { ranges, elements: FxHashMap::default() });
        }
        if let Some(shape) = shapes.get_mut(at) {
            let bucket = shape.elements.entry(exact).or_default();
            let disjoint = |other: &[(u128, u128)], new: &[(u128, u128)]| {
                other.iter().zip(new).any(|(a, b)| a.1 < b.0 || b.1 < a.0)
            };
            let place = bucket.partition_point(|(other, _): &(Spans, T)| *other < ranged);
            let beside = [place.checked_sub(1), Some(place)];
            if beside
                .into_iter()
                .flatten()
                .filter_map(|i| bucket.get(i))
                .any(|(other, _)| !disjoint(other, &ranged))
            {
                return Err(Invalid::Overlap(name.clone()));
            }
            bucket.insert(place, (ranged, value));
        }
    }
    Ok(shapes)
}

/// A value as the numbers from first to last; nothing if it is not of the type.
fn span(kind: KeyType, value: Value) -> Option<(u128, u128)> {
    let one = |number: u128| Some((number, number));
    match (kind, value) {
        (KeyType::Ipv4, Value::Ipv4(address)) => one(u32::from(address).into()),
        (KeyType::Ipv4, Value::Ipv4Range(first, last)) => {
            Some((u32::from(first).into(), u32::from(last).into()))
        }
        (KeyType::Ipv6, Value::Ipv6(address)) => one(address.into()),
        (KeyType::Ipv6, Value::Ipv6Range(first, last)) => Some((first.into(), last.into())),
        (KeyType::Protocol, Value::Protocol(number)) => one(number.into()),
        (KeyType::Port, Value::Port(number)) => one(number.into()),
        (KeyType::Port, Value::PortRange(first, last)) => Some((first.into(), last.into())),
        (KeyType::Icmp | KeyType::Icmpv6, Value::Icmp(number)) => one(number.into()),
        _ => None,
    }
}

/// The type of a field.
pub(super) fn kind(field: Field) -> KeyType {
    match field {
        Field::Source(Family::V4) | Field::Destination(Family::V4) => KeyType::Ipv4,
        Field::Source(Family::V6) | Field::Destination(Family::V6) => KeyType::Ipv6,
        Field::Protocol => KeyType::Protocol,
        Field::SourcePort | Field::DestinationPort => KeyType::Port,
        Field::IcmpType => KeyType::Icmp,
        Field::Icmpv6Type => KeyType::Icmpv6,
    }
}

/// The numbers that a field is compared with; nothing if the value is of another type.
pub(super) fn compared(field: Field, value: Value) -> Option<(u128, u128)> {
    span(kind(field), value).filter(|(first, last)| first <= last)
}
