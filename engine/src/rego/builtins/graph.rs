//! `graph.reachable` and `graph.reachable_paths`.

use std::collections::BTreeSet;

use super::operands::{items, object};
use super::{Builtin, Fault, Host};
use crate::rego::value::{Object, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("graph.reachable", 2, reachable),
    Builtin::new("graph.reachable_paths", 2, reachable_paths),
];

/// The neighbours in a list or a set; anything else has none.
fn neighbours(edges: &Value) -> &[Value] {
    match edges {
        Value::Array(items) => items,
        Value::Set(set) => set.as_slice(),
        _ => &[],
    }
}

fn reachable(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let graph = object(args, 0)?;
    let mut waiting: Vec<&Value> = items(args, 1)?.iter().collect();
    #[expect(clippy::mutable_key_type, reason = "what a value reads late is no part of its order")]
    let mut reached = BTreeSet::new();
    while let Some(node) = waiting.pop() {
        host.spend(1)?;
        let Some(edges) = graph.get(node) else { continue };
        if reached.insert(node) {
            let edges = neighbours(edges);
            host.spend(u64::try_from(edges.len() / 16).unwrap_or(u64::MAX))?;
            waiting.extend(edges.iter().filter(|node| !reached.contains(node)));
        }
    }
    Ok(Value::set(reached.into_iter().cloned().collect()))
}

fn reachable_paths(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let graph = object(args, 0)?;
    let mut paths = Paths {
        host,
        graph,
        path: Vec::new(),
        found: Vec::new(),
    };
    for root in items(args, 1)? {
        paths.follow(root, true)?;
    }
    Ok(Value::set(paths.found))
}

struct Paths<'a> {
    host: &'a mut Host,
    graph: &'a Object,
    path: Vec<&'a Value>,
    found: Vec<Value>,
}

/// Longer paths are not followed: this is recursive.
const LONGEST: usize = 1_000;

impl<'a> Paths<'a> {
    /// All paths from a node on. One that leaves the graph, or comes back to itself, ends before that.
    fn follow(&mut self, node: &'a Value, is_root: bool) -> Result<(), Fault> {
        self.host.spend(1)?;
        let Some(edges) = self.graph.get(node) else {
            return if is_root { Ok(()) } else { self.keep() };
        };
        if self.path.len() >= LONGEST {
            return Err(Fault::new("a path is too long"));
        }
        let edges = neighbours(edges);
        self.path.push(node);
        if edges.is_empty() {
            self.keep()?;
        }
        for next in edges {
            // The first step may lead back to the root.
            if !is_root && self.path.contains(&next) {
                self.keep()?;
            } else {
                self.follow(next, false)?;
            }
        }
        self.path.pop();
        Ok(())
    }

    fn keep(&mut self) -> Result<(), Fault> {
        self.host
            .spend(1 + u64::try_from(self.path.len() / 16).unwrap_or(u64::MAX))?;
        self.found
            .push(Value::array(self.path.iter().map(|node| (*node).clone()).collect()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Halt, Host, find};
    use crate::rego::json;
    use crate::rego::value::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn call(name: &str, args: &str, budget: u64) -> Result<Value, Fault> {
        let args = json::parse(args.as_bytes()).unwrap();
        (find(name).unwrap().run)(&mut Host::new(budget), args.as_array().unwrap())
    }

    #[test]
    fn nodes_and_paths_are_found() {
        let cases = [
            (
                "graph.reachable",
                r#"[{"a":["b"],"b":["c"],"c":["a"]}, ["b"]]"#,
                r#"{"a", "b", "c"}"#,
            ),
            (
                "graph.reachable",
                r#"[{"a":["b","x"],"b":[],"c":["a"]}, ["a","y"]]"#,
                r#"{"a", "b"}"#,
            ),
            ("graph.reachable", r#"[{"a":null}, ["a"]]"#, r#"{"a"}"#),
            (
                "graph.reachable_paths",
                r#"[{"a":["b","c"],"b":["d"],"c":["d"],"d":[]}, ["a"]]"#,
                r#"{["a", "b", "d"], ["a", "c", "d"]}"#,
            ),
            (
                "graph.reachable_paths",
                r#"[{"a":["b"],"b":["a"]}, ["a","b"]]"#,
                r#"{["a", "b"], ["b", "a"]}"#,
            ),
            ("graph.reachable_paths", r#"[{"a":["x"]}, ["a"]]"#, r#"{["a"]}"#),
            ("graph.reachable_paths", r#"[{"a":["a"]}, ["a"]]"#, r#"{["a", "a"]}"#),
            ("graph.reachable_paths", r#"[{"a":[]}, ["a","x"]]"#, r#"{["a"]}"#),
        ];
        for (name, args, expected) in cases {
            assert_eq!(call(name, args, 1_000).unwrap().to_string(), expected, "{name}({args})");
        }
        assert!(matches!(
            call("graph.reachable", "[[], []]", 10),
            Err(Fault::Undefined(_))
        ));
        assert!(matches!(
            call("graph.reachable", r#"[{}, "a"]"#, 10),
            Err(Fault::Undefined(_))
        ));
    }

    #[test]
    fn paths_cost_budget() {
        let nodes: Vec<String> = (0..40)
            .map(|n| format!(r#""{n}":["{}","{}b"],"{n}b":["{}","{}b"]"#, n + 1, n + 1, n + 1, n + 1))
            .collect();
        let args = format!(r#"[{{{}}}, ["0"]]"#, nodes.join(","));
        assert_eq!(
            call("graph.reachable_paths", &args, 10_000),
            Err(Fault::Halt(Halt::Limit))
        );
    }
}
