//! Webhooks behind Envoy: what `--wrap` says becomes a route and a cluster, so that nobody writes them by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

/// The start of the paths that lead to them, as in the filter's configuration.
pub(super) const PREFIX: &str = "/wrap/";

/// Far more requests than API servers have under way at one webhook, and connections, where each needs its own.
const MAX_UNDER_WAY: u32 = 16_384;

const UPSTREAM_TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const HTTP_OPTIONS: &str = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// What a webhook behind is called, where it is, and how it is known for the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrap {
    name: String,
    host: String,
    port: u16,
    /// Without a slash at its end.
    path: String,
    ca: String,
    server_name: String,
    client: Option<(String, String)>,
    policies: bool,
}

/// `NAME=HOST:PORT[/PATH],ca=FILE[,sni=NAME][,client-cert=FILE,client-key=FILE][,policies=no]`.
pub(super) fn parse(text: &str) -> Result<Wrap, String> {
    let (name, rest) = text.split_once('=').ok_or("expected NAME=HOST:PORT,ca=FILE")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !(1..=63).contains(&name.len()) || !name.chars().all(is_plain) || name.starts_with('.') {
        return Err(format!(
            "{name:?} is no name: letters, digits, '-', '_' and '.', at most 63"
        ));
    }
    let mut parts = rest.split(',');
    let address = parts.next().unwrap_or_default();
    let (host, port, path) = address_of(address)?;
    let mut options: BTreeMap<&str, &str> = BTreeMap::new();
    for part in parts {
        let (key, value) = part
            .split_once('=')
            .filter(|(_, value)| !value.is_empty())
            .ok_or(format!(
                "{part:?}: expected ca=FILE, sni=NAME, client-cert=FILE, client-key=FILE or policies=no"
            ))?;
        if !["ca", "sni", "client-cert", "client-key", "policies"].contains(&key) {
            return Err(format!(
                "{key:?} is not known: ca, sni, client-cert, client-key, policies"
            ));
        }
        if options.insert(key, value).is_some() {
            return Err(format!("{key} is there twice"));
        }
    }
    let mut take = |key: &str| options.remove(key).map(str::to_owned);
    let ca = take("ca").ok_or("ca=FILE is missing: without it nobody knows who answers")?;
    let client = match (take("client-cert"), take("client-key")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("client-cert and client-key belong together".to_owned()),
    };
    let policies = match take("policies").as_deref() {
        None | Some("yes") => true,
        Some("no") => false,
        Some(other) => return Err(format!("policies={other}: yes or no")),
    };
    Ok(Wrap {
        name: name.to_owned(),
        server_name: take("sni").unwrap_or_else(|| host.clone()),
        host,
        port,
        path,
        ca,
        client,
        policies,
    })
}

fn address_of(address: &str) -> Result<(String, u16, String), String> {
    let (authority, path) = match address.find('/') {
        Some(slash) => address.split_at(slash),
        None => (address, ""),
    };
    let bad = || format!("{authority:?}: expected HOST:PORT");
    let (host, port) = authority.rsplit_once(':').ok_or_else(bad)?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if host.parse::<IpAddr>().is_err() && (host.is_empty() || !host.chars().all(is_host)) {
        return Err(bad());
    }
    let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad)?;
    Ok((host.to_owned(), port, path.trim_end_matches('/').to_owned()))
}

/// Puts the routes before all others of the virtual host that leads to the filter, and adds the clusters.
pub(super) fn add(envoy: &mut Value, wraps: &[Wrap]) -> Result<(), String> {
    for (place, wrap) in wraps.iter().enumerate() {
        if wraps.iter().take(place).any(|other| other.name == wrap.name) {
            return Err(format!("--wrap {} is there twice", wrap.name));
        }
        if names(envoy).contains(&wrap.name) {
            return Err(format!("the template has a route for {PREFIX}{}/ already", wrap.name));
        }
    }
    if wraps.is_empty() {
        return Ok(());
    }
    let routes: Vec<Value> = wraps.iter().flat_map(Wrap::routes).collect();
    let hosts = virtual_hosts(envoy)
        .ok_or("no virtual host with a route for /validate, beside which those of --wrap belong")?;
    hosts.splice(0..0, routes);
    let clusters = envoy
        .pointer_mut("/static_resources/clusters")
        .and_then(Value::as_array_mut)
        .ok_or("no static_resources.clusters")?;
    clusters.extend(wraps.iter().map(Wrap::cluster));
    Ok(())
}

/// The routes of the virtual host that has one for `/validate`.
fn virtual_hosts(value: &mut Value) -> Option<&mut Vec<Value>> {
    let leads_here = |routes: &Vec<Value>| {
        routes
            .iter()
            .any(|route| route.pointer("/match/path").and_then(Value::as_str) == Some("/validate"))
    };
    match value {
        Value::Array(items) => items.iter_mut().find_map(virtual_hosts),
        Value::Object(members) => {
            if members.get("routes").and_then(Value::as_array).is_some_and(leads_here) {
                return members.get_mut("routes").and_then(Value::as_array_mut);
            }
            members.values_mut().find_map(virtual_hosts)
        }
        _ => None,
    }
}

/// The webhooks that have a route, for the filter's configuration: also those that the template's author wrote.
pub(super) fn configuration(envoy: &Value, wraps: &[Wrap]) -> Value {
    let names = names(envoy).into_iter().map(|name| {
        let wrap = wraps.iter().find(|wrap| wrap.name == name);
        (name, json!({"policies": wrap.is_none_or(|wrap| wrap.policies)}))
    });
    Value::Object(names.collect())
}

fn names(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            let paths = ["prefix", "path"]
                .iter()
                .filter_map(|key| members.get("match")?.get(key)?.as_str());
            for path in paths {
                let name = path.strip_prefix(PREFIX).and_then(|rest| rest.split('/').next());
                found.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
            }
            members.values().for_each(|member| collect(member, found));
        }
        _ => {}
    }
}

impl Wrap {
    fn cluster_name(&self) -> String {
        format!("wrapped-{}", self.name)
    }

    /// As the API server would send it: to this host, at this path. It waits for 30 s at most, and Envoy longer than that, so that
    /// a webhook has the time that it was given. What fails is not tried again: the API server does not, either.
    fn routes(&self) -> Vec<Value> {
        let host = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let route = |rewrite: String| json!({"cluster": self.cluster_name(), "prefix_rewrite": rewrite, "host_rewrite_literal": host, "timeout": "31s"});
        let base = format!("{PREFIX}{}", self.name);
        let own = if self.path.is_empty() { "/" } else { &self.path };
        vec![
            json!({"match": {"path": base}, "route": route(own.to_owned())}),
            json!({"match": {"prefix": format!("{base}/")}, "route": route(format!("{}/", self.path))}),
        ]
    }

    fn cluster(&self) -> Value {
        let is_address = self.server_name.parse::<IpAddr>().is_ok();
        let san = if is_address { "IP_ADDRESS" } else { "DNS" };
        let mut common = json!({
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "validation_context": {
                "trusted_ca": {"filename": self.ca},
                "match_typed_subject_alt_names": [{"san_type": san, "matcher": {"exact": self.server_name}}],
            },
        });
        if let (Some((certificate, key)), Some(members)) = (&self.client, common.as_object_mut()) {
            let pair = json!([{"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}]);
            members.insert("tls_certificates".to_owned(), pair);
        }
        let mut tls = json!({"@type": UPSTREAM_TLS, "common_tls_context": common});
        if let (false, Some(members)) = (is_address, tls.as_object_mut()) {
            members.insert("sni".to_owned(), json!(self.server_name));
        }
        let endpoint = json!({"address": {"socket_address": {"address": self.host, "port_value": self.port}}});
        json!({
            "name": self.cluster_name(),
            "type": "STRICT_DNS",
            "dns_lookup_family": "V4_PREFERRED",
            "connect_timeout": "5s",
            // As large as the listener's: an answer that is larger than what is read streams through.
            "per_connection_buffer_limit_bytes": 16_777_216,
            // Whatever the API server has under way at a time: it has limits of its own, and knows none of ours.
            "circuit_breakers": {"thresholds": [
                {"max_connections": MAX_UNDER_WAY, "max_pending_requests": MAX_UNDER_WAY, "max_requests": MAX_UNDER_WAY,
                    "max_retries": 0},
            ]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": HTTP_OPTIONS,
                // Shorter than what servers keep idle connections for: nothing is sent into one that is being closed.
                "common_http_protocol_options": {"idle_timeout": "20s"},
                // As the API server speaks to a webhook: HTTP/2 where that offers it.
                "auto_config": {"http_protocol_options": {}, "http2_protocol_options": {}},
            }},
            "load_assignment": {
                "cluster_name": self.cluster_name(),
                "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
            },
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_webhook_is_read() {
        let wrap = parse("gate=gate.svc:8443/v1/,ca=/ca.crt").unwrap();
        assert_eq!(
            (wrap.host.as_str(), wrap.port, wrap.path.as_str()),
            ("gate.svc", 8443, "/v1")
        );
        assert_eq!(
            (wrap.server_name.as_str(), wrap.policies, &wrap.client),
            ("gate.svc", true, &None)
        );
        let wrap = parse("m=[::1]:1,client-key=k,client-cert=c,ca=f,sni=x,policies=no").unwrap();
        assert_eq!(
            (wrap.host.as_str(), wrap.server_name.as_str(), wrap.policies),
            ("::1", "x", false)
        );
        for (text, says) in [
            ("gate", "NAME=HOST:PORT"),
            ("a/b=h:1,ca=f", "is no name"),
            ("=h:1,ca=f", "is no name"),
            ("g=h,ca=f", "HOST:PORT"),
            ("g=h:0,ca=f", "HOST:PORT"),
            ("g=h:99999,ca=f", "HOST:PORT"),
            ("g=ho st:1,ca=f", "HOST:PORT"),
            ("g=h:1", "ca=FILE is missing"),
            ("g=h:1,ca=", "expected ca=FILE"),
            ("g=h:1,ca=f,ca=g", "twice"),
            ("g=h:1,ca=f,insecure=yes", "not known"),
            ("g=h:1,ca=f,client-cert=c", "belong together"),
            ("g=h:1,ca=f,policies=maybe", "yes or no"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn routes_come_first_and_their_names_are_known() {
        let last = json!({"match": {"prefix": "/"}, "direct_response": {"status": 404}});
        let mut envoy = json!({
            "static_resources": {"clusters": [], "listeners": [{"virtual_hosts": [
                {"routes": [{"match": {"prefix": "/probe"}}]},
                {"routes": [{"match": {"path": "/validate"}}, {"match": {"prefix": "/wrap/own/x"}}, last]},
            ]}]},
        });
        let wraps = [
            parse("g=h:1/a,ca=f,policies=no").unwrap(),
            parse("i=10.0.0.1:2,ca=f").unwrap(),
        ];
        add(&mut envoy, &wraps).unwrap();
        let routes = envoy
            .pointer("/static_resources/listeners/0/virtual_hosts/1/routes")
            .unwrap();
        let matches: Vec<String> = routes
            .as_array()
            .unwrap()
            .iter()
            .map(|route| route["match"].to_string())
            .collect();
        assert_eq!(
            matches[..5],
            [
                r#"{"path":"/wrap/g"}"#,
                r#"{"prefix":"/wrap/g/"}"#,
                r#"{"path":"/wrap/i"}"#,
                r#"{"prefix":"/wrap/i/"}"#,
                r#"{"path":"/validate"}"#
            ]
        );
        for (place, path) in [(0, "/a"), (1, "/a/"), (2, "/"), (3, "/")] {
            assert_eq!(routes[place]["route"]["prefix_rewrite"], path);
        }
        assert_eq!(
            configuration(&envoy, &wraps),
            json!({"g": {"policies": false}, "i": {"policies": true}, "own": {"policies": true}})
        );
        let tls = |place: usize| {
            envoy
                .pointer(&format!(
                    "/static_resources/clusters/{place}/transport_socket/typed_config"
                ))
                .unwrap()
        };
        assert_eq!(tls(0)["sni"], "h");
        assert!(tls(1).get("sni").is_none(), "an address is no name of a server");
        let san = &tls(1)["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"][0];
        assert_eq!(
            san,
            &json!({"san_type": "IP_ADDRESS", "matcher": {"exact": "10.0.0.1"}})
        );
        assert!(add(&mut envoy, &wraps).unwrap_err().contains("already"));
        let twice = [wraps[0].clone(), wraps[0].clone()];
        assert!(add(&mut json!({}), &twice).unwrap_err().contains("twice"));
    }
}
