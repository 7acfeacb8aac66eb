//! Who reaches whom: Services, Ingresses, network policies and ranges of addresses.

use serde_json::Value as Json;

use super::Place;
use super::rules::{grows, is_below, is_emptied, only_adds, shrinks};
use crate::rego::builtins::is_net_within;

pub(super) fn opens(place: &Place<'_>) -> bool {
    let by_kind = match place.kind {
        "NetworkPolicy" => policy(place),
        "Service" => service(place),
        "Ingress" => ingress(place),
        _ => false,
    };
    by_kind || ranges(place)
}

/// Without a member it is everybody.
fn lets_all(place: &Place<'_>) -> bool {
    !place.is_element && place.before.is_some_and(is_filled) && !place.after.is_some_and(is_filled)
}

fn is_filled(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.iter().any(|item| !item.is_null()),
        Json::Object(members) => !members.is_empty(),
        _ => true,
    }
}

fn policy(place: &Place<'_>) -> bool {
    match place.names {
        // Pods that it does not select any more are open.
        ["spec", "podSelector", ..] => place.before.is_some_and(is_leaf) || place.after.is_some_and(is_leaf),
        ["spec", "policyTypes"] if !place.is_element => shrinks(place) || is_emptied(place),
        ["spec", direction @ ("ingress" | "egress")] => rule(place, direction),
        ["spec", "ingress" | "egress", "from" | "to" | "ports"] => {
            // One more is let in, where not all are; who goes is let in no more, unless nobody is left.
            lets_all(place) || (place.is_element && place.before.is_none()) && had_any(place)
        }
        ["spec", "ingress" | "egress", "ports", ..] => place.before.is_some() || place.last() == "endPort",
        ["spec", "ingress" | "egress", _, "ipBlock", ..] => {
            place.last() == "except" && !place.is_element && !except_covers(place)
        }
        ["spec", "ingress" | "egress", _, "namespaceSelector" | "podSelector", ..] => match (place.before, place.after)
        {
            // It is compared further below.
            (Some(Json::Object(_)), Some(Json::Object(_))) => !only_adds(place),
            (before, _) => before.is_some() || place.is_element,
        },
        _ => false,
    }
}

fn is_leaf(value: &Json) -> bool {
    !value.is_object() && !value.is_array()
}

/// A rule that lets something through, added where nothing was let.
fn rule(place: &Place<'_>, direction: &str) -> bool {
    let types = place.object.pointer("/spec/policyTypes").and_then(Json::as_array);
    let is_named = |name: &str| types.is_some_and(|types| types.iter().any(|known| known.as_str() == Some(name)));
    let guards = if direction == "egress" {
        is_named("Egress")
    } else {
        types.is_none() || is_named("Ingress")
    };
    if place.is_element {
        return place.before.is_none() && (guards || had_any(place));
    }
    direction == "egress" && place.before.is_some() && place.after.is_none() && !guards
}

/// Whether the list that an element comes to had any: rules in a direction, or peers and ports in one of the rules.
fn had_any(place: &Place<'_>) -> bool {
    let list = ["spec", place.names.get(1).copied().unwrap_or_default()];
    let rules = place
        .object
        .pointer(&format!("/{}", list.join("/")))
        .and_then(Json::as_array);
    let Some(rules) = rules else { return false };
    match place.names {
        [_, _] => !rules.is_empty(),
        [_, _, list] => rules.iter().any(|rule| {
            rule.get(list)
                .and_then(Json::as_array)
                .is_some_and(|items| !items.is_empty())
        }),
        _ => true,
    }
}

/// Whether all that was left out still is.
fn except_covers(place: &Place<'_>) -> bool {
    let texts = |value: Option<&Json>| -> Vec<String> {
        let items = value.and_then(Json::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let (before, after) = (texts(place.before), texts(place.after));
    before
        .iter()
        .all(|old| after.iter().any(|new| is_net_within(old, new) == Some(true)))
}

fn service(place: &Place<'_>) -> bool {
    let reach = |text: Option<&str>| match text {
        Some("LoadBalancer") => 2,
        Some("NodePort") => 1,
        _ => 0,
    };
    match place.names {
        ["spec", "type"] => reach(place.is()) > reach(place.was()),
        ["spec", "loadBalancerSourceRanges"] => {
            lets_all(place) || (!place.is_element && is_filled_before(place) && wider(place))
        }
        _ => false,
    }
}

fn is_filled_before(place: &Place<'_>) -> bool {
    place.before.is_some_and(is_filled)
}

/// Whether something is in no range that was there.
fn wider(place: &Place<'_>) -> bool {
    let texts = |value: Option<&Json>| -> Vec<String> {
        let items = value.and_then(Json::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let before = texts(place.before);
    let after = texts(place.after);
    after.iter().any(|new| {
        !before
            .iter()
            .any(|old| old == new || is_net_within(new, old) == Some(true))
    })
}

fn ingress(place: &Place<'_>) -> bool {
    match place.names {
        ["spec", "tls"] | ["spec", "tls", "hosts"] if place.is_element => place.after.is_none(),
        ["spec", "tls", "hosts"] => lets_all(place),
        ["spec", "defaultBackend"] => place.before.is_none(),
        ["spec", "rules"] | ["spec", "rules", "http", "paths"] if place.is_element => place.before.is_none(),
        // Without one it is every host.
        ["spec", "rules", "host"] => {
            place.was().is_some_and(|host| !host.is_empty()) && place.is().is_none_or(str::is_empty)
        }
        ["spec", "rules", "http", "paths", "path"] => place
            .was()
            .is_some_and(|old| !place.is().is_some_and(|new| is_below(new, old))),
        ["spec", "rules", "http", "paths", "pathType"] => place.was() == Some("Exact"),
        _ => false,
    }
}

/// A range of addresses that is not inside of the one that was there.
fn ranges(place: &Place<'_>) -> bool {
    let last = place.last().to_lowercase();
    let is_range = last.contains("cidr") || last.ends_with("ranges") || last.ends_with("ipblocks");
    if !is_range || place.within("except") {
        return false;
    }
    if !place.is_element && (place.before.is_some_and(Json::is_array) || place.after.is_some_and(Json::is_array)) {
        let net = |item: &Json| item.as_str().is_some_and(|text| text.contains('/'));
        let are_nets = [place.before, place.after]
            .into_iter()
            .flatten()
            .filter_map(Json::as_array);
        let are_nets = are_nets.flatten().any(net);
        return are_nets && (lets_all(place) || (is_filled_before(place) && grows(place) && wider(place)));
    }
    match (place.was(), place.is()) {
        (Some(before), Some(after)) if !place.is_element => is_net_within(after, before) != Some(true),
        (Some(_), None) => !place.is_element,
        _ => false,
    }
}
