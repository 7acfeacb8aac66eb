//! `net.cidr_*`, as Go's `net` reads addresses: an IPv6 address that maps an IPv4 one is that IPv4 one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::operands::{any, units, wrong};
use super::{Builtin, Fault, Host};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("net.cidr_contains", 2, contains),
    Builtin::new("net.cidr_overlap", 2, contains),
    Builtin::new("net.cidr_intersects", 2, intersects),
    Builtin::new("net.cidr_contains_matches", 2, contains_matches),
    Builtin::new("net.cidr_expand", 1, expand),
    Builtin::new("net.cidr_is_valid", 1, is_valid),
    Builtin::new("net.cidr_merge", 1, merge),
];

/// IPv4 is kept where IPv6 maps it, so that both order as Go orders them.
const MAPPED: u128 = 0xFFFF_0000_0000;

/// Addresses from the first to the last.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Net {
    first: u128,
    last: u128,
}

fn is_v4(address: u128) -> bool {
    address >> 32 == MAPPED >> 32
}

fn address(text: &str) -> Option<u128> {
    Some(match text.parse().ok()? {
        IpAddr::V4(address) => MAPPED | u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    })
}

fn written(address: u128) -> String {
    // It fits: all other bits are those of the mapping.
    match u32::try_from(address ^ MAPPED) {
        Ok(low) => Ipv4Addr::from(low).to_string(),
        Err(_) => Ipv6Addr::from(address).to_string(),
    }
}

impl Net {
    fn parse(text: &str) -> Option<Self> {
        let (ip, length) = text.split_once('/')?;
        let digits = length.bytes().all(|byte| byte.is_ascii_digit());
        let bits = if ip.contains(':') { 128 } else { 32 };
        let length: u32 = length.parse().ok().filter(|length| digits && *length <= bits)?;
        Some(Self::new(address(ip)?, bits - length))
    }

    /// The net around an address in which so many bits are the host's.
    fn new(address: u128, host: u32) -> Self {
        let mask = u128::MAX.checked_shr(128 - host).unwrap_or(0);
        Self {
            first: address & !mask,
            last: address | mask,
        }
    }

    fn has(self, address: u128) -> bool {
        // An IPv6 net never has IPv4 addresses, although it may be around them.
        is_v4(self.first) == is_v4(address) && (self.first..=self.last).contains(&address)
    }

    fn contains(self, other: Self) -> bool {
        is_v4(self.first) == is_v4(other.first) && self.first <= other.first && other.last <= self.last
    }
}

fn net(value: &Value) -> Result<Net, Fault> {
    let text = value.as_str().ok_or_else(|| wrong(0, value, "string"))?;
    Net::parse(text).ok_or_else(|| Fault::new(format!("invalid CIDR address: {text}")))
}

/// Whether the first contains the second, which is a net or an address.
fn net_contains(outer: &Value, inner: &Value) -> Result<bool, Fault> {
    let outer = net(outer)?;
    match inner.as_str().and_then(address) {
        Some(address) => Ok(outer.has(address)),
        None => Ok(outer.contains(net(inner)?)),
    }
}

/// Whether the first net lies in the second; none when one of them is no net.
pub(crate) fn is_net_within(inner: &str, outer: &str) -> Option<bool> {
    Some(Net::parse(outer)?.contains(Net::parse(inner)?))
}

fn contains(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    host.spend(1)?;
    net_contains(any(args, 0)?, any(args, 1)?).map(Value::Bool)
}

fn intersects(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    host.spend(1)?;
    let (a, b) = (net(any(args, 0)?)?, net(any(args, 1)?)?);
    Ok(Value::Bool(a.has(b.first) || b.has(a.first)))
}

/// What is compared, and what stands for it in the result.
fn candidates(value: &Value) -> Result<Vec<(&Value, Value)>, Fault> {
    fn first(value: &Value) -> Result<&Value, Fault> {
        match value {
            Value::String(_) => Ok(value),
            Value::Array(items) if !items.is_empty() => Ok(items.first().unwrap_or(value)),
            _ => Err(Fault::new("element must be string or non-empty array")),
        }
    }
    match value {
        Value::String(_) => Ok(vec![(value, value.clone())]),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(place, item)| Ok((first(item)?, place.into())))
            .collect(),
        Value::Set(set) => set.iter().map(|item| Ok((first(item)?, item.clone()))).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| Ok((first(value)?, key.clone())))
            .collect(),
        _ => Ok(Vec::new()),
    }
}

fn contains_matches(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let outer = candidates(any(args, 0)?)?;
    if outer.is_empty() {
        return Ok(Value::set(Vec::new()));
    }
    let inner = candidates(any(args, 1)?)?;
    let mut matches = Vec::new();
    for (net, name) in &outer {
        host.spend(units(inner.len() * 16))?;
        for (other, other_name) in &inner {
            if net_contains(net, other)? {
                matches.push(Value::array(vec![name.clone(), other_name.clone()]));
            }
        }
    }
    Ok(Value::set(matches))
}

fn expand(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let net = net(any(args, 0)?)?;
    let last_place = u64::try_from(net.last - net.first).unwrap_or(u64::MAX);
    host.spend(last_place.saturating_add(1))?;
    Ok(Value::set(
        (net.first..=net.last)
            .map(|address| Value::string(written(address)))
            .collect(),
    ))
}

fn is_valid(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Bool(any(args, 0)?.as_str().and_then(Net::parse).is_some()))
}

fn merge(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let nets = match any(args, 0)? {
        Value::Array(items) => items,
        Value::Set(set) => set.as_slice(),
        _ => return Err(Fault::new("operand must be an array")),
    };
    host.spend(units(nets.len() * 16))?;
    // With the text of a net that stays as it was.
    let mut ranges: Vec<(Net, Option<String>)> = nets.iter().map(merge_operand).collect::<Result<_, _>>()?;
    ranges.sort_by_key(|(net, _)| (net.last, net.first));
    let mut merged: Vec<(Net, Option<String>)> = Vec::new();
    for (net, text) in ranges.into_iter().rev() {
        match merged.last_mut() {
            Some((next, kept)) if before(next.first) <= net.last => {
                next.first = next.first.min(net.first);
                *kept = None;
            }
            _ => merged.push((net, text)),
        }
    }
    let mut result = Vec::new();
    for (net, text) in merged {
        match text {
            Some(text) => result.push(Value::string(text)),
            None => decompose(net, &mut result),
        }
    }
    Ok(Value::set(result))
}

/// A net or an IPv4 address. An address without a length has that of its class, as Go has it.
fn merge_operand(value: &Value) -> Result<(Net, Option<String>), Fault> {
    let text = value.as_str().ok_or_else(|| Fault::new("element must be string"))?;
    let Some(address) = address(text) else {
        let net = net(value)?;
        let host = (net.last - net.first).count_ones();
        return Ok((net, Some(cidr(net.first, host))));
    };
    if !is_v4(address) {
        return Err(Fault::new("IPv6 invalid: needs prefix length"));
    }
    let host = match (address >> 24) & 0xFF {
        0..0x80 => 24,
        0x80..0xC0 => 16,
        _ => 8,
    };
    Ok((Net::new(address, host), Some(cidr(address, host))))
}

fn cidr(address: u128, host: u32) -> String {
    let bits = if is_v4(address) && host <= 32 { 32 } else { 128 };
    format!("{}/{}", written(address), bits - host)
}

fn before(address: u128) -> u128 {
    if address == MAPPED {
        address
    } else {
        address.saturating_sub(1)
    }
}

/// The fewest nets that are a range together.
fn decompose(range: Net, result: &mut Vec<Value>) {
    let mut first = range.first;
    loop {
        let mut host = first.trailing_zeros().min(if is_v4(first) { 32 } else { 128 });
        while Net::new(first, host).last > range.last {
            host -= 1;
        }
        result.push(Value::string(cidr(first, host)));
        let last = Net::new(first, host).last;
        match last.checked_add(1) {
            Some(next) if last < range.last => first = next,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Halt, Host, find};
    use crate::rego::json;
    use crate::rego::value::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn call(name: &str, args: &str) -> String {
        let args = json::parse(args.as_bytes()).unwrap();
        let result = (find(name).unwrap().run)(&mut Host::new(1_000_000), args.as_array().unwrap());
        result.map_or_else(|_| "undefined".to_owned(), |value| value.to_json().to_string())
    }

    #[test]
    fn nets_are_gos() {
        let cases = [
            ("net.cidr_contains", r#"["10.0.0.0/8", "10.1.0.0/24"]"#, "true"),
            ("net.cidr_contains", r#"["10.0.0.0/8", "10.1.2.3"]"#, "true"),
            ("net.cidr_contains", r#"["10.0.0.0/8", "::ffff:10.1.2.3"]"#, "true"),
            ("net.cidr_contains", r#"["172.17.0.0/24", "172.17.0.0/16"]"#, "false"),
            ("net.cidr_contains", r#"["10.9.9.9/08", "10.1.2.3"]"#, "true"),
            ("net.cidr_contains", r#"["10.0.0.0/8", "10.01.2.3"]"#, "undefined"),
            ("net.cidr_contains", r#"["10.0.0.0/33", "10.1.2.3"]"#, "undefined"),
            ("net.cidr_contains", r#"["10.0.0.0/+8", "10.1.2.3"]"#, "undefined"),
            ("net.cidr_contains", r#"["10.0.0.0", "10.1.2.3"]"#, "undefined"),
            ("net.cidr_contains", r#"["::/0", "10.1.2.3"]"#, "false"),
            ("net.cidr_contains", r#"["::/0", "10.1.2.0/24"]"#, "false"),
            ("net.cidr_contains", r#"["::/80", "::/80"]"#, "true"),
            ("net.cidr_contains", r#"["::ffff:0:0/96", "10.0.0.0/8"]"#, "true"),
            (
                "net.cidr_contains",
                r#"["2001:4860:4860::8888/32", "2001:4860:4860:1234::8888/40"]"#,
                "true",
            ),
            ("net.cidr_contains", r#"["fe80::%eth0/64", "fe80::1"]"#, "undefined"),
            ("net.cidr_overlap", r#"["10.0.0.0/8", "10.1.2.3"]"#, "true"),
            (
                "net.cidr_intersects",
                r#"["192.168.1.0/25", "192.168.1.64/25"]"#,
                "true",
            ),
            (
                "net.cidr_intersects",
                r#"["192.168.1.0/25", "192.168.1.128/25"]"#,
                "false",
            ),
            ("net.cidr_is_valid", r#"["10.0.0.0/8"]"#, "true"),
            ("net.cidr_is_valid", r#"["10.0.0.0"]"#, "false"),
            ("net.cidr_is_valid", "[1]", "false"),
            (
                "net.cidr_contains_matches",
                r#"["1.1.1.0/24", "1.1.1.128"]"#,
                r#"[["1.1.1.0/24","1.1.1.128"]]"#,
            ),
            (
                "net.cidr_contains_matches",
                r#"[["1.1.2.0/24","1.1.1.0/24"], {"k":["1.1.1.128",1]}]"#,
                r#"[[1,"k"]]"#,
            ),
            ("net.cidr_contains_matches", r#"[[[]], "1.1.1.1"]"#, "undefined"),
            ("net.cidr_contains_matches", "[[], [1]]", "[]"),
            (
                "net.cidr_expand",
                r#"["192.168.1.1/30"]"#,
                r#"["192.168.1.0","192.168.1.1","192.168.1.2","192.168.1.3"]"#,
            ),
            (
                "net.cidr_expand",
                r#"["2001:db8::/127"]"#,
                r#"["2001:db8::","2001:db8::1"]"#,
            ),
            (
                "net.cidr_merge",
                r#"[["192.0.128.0/24","192.0.129.0/24"]]"#,
                r#"["192.0.128.0/23"]"#,
            ),
            (
                "net.cidr_merge",
                r#"[["192.0.128.0/24","192.0.130.0/24"]]"#,
                r#"["192.0.128.0/24","192.0.130.0/24"]"#,
            ),
            (
                "net.cidr_merge",
                r#"[["10.0.0.0/24","10.0.1.0/24","10.0.2.0/24"]]"#,
                r#"["10.0.0.0/23","10.0.2.0/24"]"#,
            ),
            ("net.cidr_merge", r#"[["192.168.1.7"]]"#, r#"["192.168.1.7/24"]"#),
            (
                "net.cidr_merge",
                r#"[["2601:600:8a80::/48","2601:600:8a81::/48","::1"]]"#,
                "undefined",
            ),
            (
                "net.cidr_merge",
                r#"[["2601:600:8a80::/48","2601:600:8a81::/48"]]"#,
                r#"["2601:600:8a80::/47"]"#,
            ),
            ("net.cidr_merge", r#"[["0.0.0.0/0","10.0.0.0/8"]]"#, r#"["0.0.0.0/0"]"#),
            ("net.cidr_merge", r#"[["::/1","8000::/1"]]"#, r#"["::/0"]"#),
            (
                "net.cidr_merge",
                r#"[["192.0.0.0/24","192.0.0.0/24"]]"#,
                r#"["192.0.0.0/24"]"#,
            ),
            ("net.cidr_merge", "[[]]", "[]"),
            ("net.cidr_merge", "[[1]]", "undefined"),
        ];
        for (name, args, expected) in cases {
            assert_eq!(call(name, args), expected, "{name}({args})");
        }
    }

    #[test]
    fn large_nets_are_not_expanded() {
        for net in ["10.0.0.0/8", "::/0"] {
            let result = (find("net.cidr_expand").unwrap().run)(&mut Host::new(1_000_000), &[Value::string(net)]);
            assert_eq!(result, Err(Fault::Halt(Halt::Limit)), "{net}");
        }
    }
}
