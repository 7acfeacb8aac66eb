//! References: through variables, documents, rules and packages.

use smol_str::SmolStr;

use super::{Out, Planner, Refused};
use crate::rego::ast::{Head, Ref, Term};
use crate::rego::plan::{NodeId, Op, Pattern, Source, Step, Template, TreeStep};
use crate::rego::value::Value;

impl Planner<'_> {
    /// Plans a reference whose brackets hold only variables and constants.
    pub(super) fn path(&mut self, refr: &Ref, out: &Out<'_>, steps: &mut Vec<Step>) -> Refused<()> {
        let mut keys = refr.path.as_slice();
        let mut source = match &refr.head {
            Head::Input => {
                self.reads.documents.push((true, constant_prefix(refr), self.line));
                Source::Input
            }
            Head::Var(var) if self.bound.contains(var) => Source::Slot(*var),
            Head::Var(var) => return self.unsafe_var(*var),
            Head::Term(_) => return self.refuse("a call stands where none can"),
            Head::Data => {
                let (node, depth) = self.node(keys);
                let here = self.tables.nodes.get(node);
                if let Some(rule) = here.and_then(|node| node.rule) {
                    keys = keys.get(depth..).unwrap_or_default();
                    self.reads.rules.insert(rule);
                    Source::Rule(rule)
                } else {
                    let next = keys.get(depth);
                    let leaves_rules = next.is_some_and(|key| matches!(key, Term::Const(_)));
                    if !leaves_rules {
                        return self.tree(node, depth, refr, out, steps);
                    }
                    self.reads.documents.push((false, constant_prefix(refr), self.line));
                    Source::Data
                }
            }
        };
        let mut pending: Vec<Template> = Vec::new();
        let count = keys.len();
        for (place, key) in keys.iter().enumerate() {
            if self.has_value(key) {
                pending.push(self.template(key)?);
                continue;
            }
            let slot = match source {
                Source::Slot(slot) if pending.is_empty() => slot,
                _ => {
                    let slot = self.fresh();
                    self.bound.insert(slot);
                    let keys = std::mem::take(&mut pending).into();
                    self.push(
                        steps,
                        Op::Path {
                            source,
                            keys,
                            out: Pattern::Bind(slot),
                        },
                    );
                    slot
                }
            };
            let key = self.pattern(key)?;
            if place + 1 == count {
                let value = self.out(out)?;
                self.push(steps, Op::Scan { slot, key, value });
                return Ok(());
            }
            let next = self.fresh();
            self.bound.insert(next);
            self.push(
                steps,
                Op::Scan {
                    slot,
                    key,
                    value: Pattern::Bind(next),
                },
            );
            source = Source::Slot(next);
        }
        let out = self.out(out)?;
        self.push(
            steps,
            Op::Path {
                source,
                keys: pending.into(),
                out,
            },
        );
        Ok(())
    }

    pub(super) fn out(&mut self, out: &Out<'_>) -> Refused<Pattern> {
        match out {
            Out::True => Ok(Pattern::True),
            Out::Unify(term) => self.pattern(term),
        }
    }

    /// The node that the leading names lead to, and how many they are.
    pub(super) fn node(&self, keys: &[Term]) -> (NodeId, usize) {
        let (mut node, mut depth) = (0, 0);
        for key in keys {
            let Some(here) = self.tables.nodes.get(node) else { break };
            if here.rule.is_some() {
                break;
            }
            let next = match key {
                Term::Const(Value::String(name)) => here.child(name),
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
            depth += 1;
        }
        (node, depth)
    }

    pub(super) fn tree(
        &mut self,
        node: NodeId,
        depth: usize,
        refr: &Ref,
        out: &Out<'_>,
        steps: &mut Vec<Step>,
    ) -> Refused<()> {
        let base = refr.path.iter().take(depth).filter_map(|key| match key {
            Term::Const(Value::String(name)) => Some(name.clone()),
            _ => None,
        });
        let base = base.collect();
        let rest: Vec<&Term> = refr.path.iter().skip(depth).collect();
        self.reads_below(node, &rest);
        let mut tree_steps = Vec::new();
        for key in rest {
            tree_steps.push(if self.has_value(key) {
                TreeStep::Key(self.template(key)?)
            } else {
                TreeStep::Scan(self.pattern(key)?)
            });
        }
        let out = self.out(out)?;
        let tree_steps = tree_steps.into();
        self.push(
            steps,
            Op::Tree {
                node,
                base,
                steps: tree_steps,
                out,
            },
        );
        Ok(())
    }

    /// All rules that a reference into packages may read.
    pub(super) fn reads_below(&mut self, node: NodeId, keys: &[&Term]) {
        let Some(here) = self.tables.nodes.get(node) else {
            return;
        };
        if let Some(rule) = here.rule {
            self.reads.rules.insert(rule);
            return;
        }
        for (name, child) in &here.children {
            match keys.split_first() {
                Some((Term::Const(Value::String(key)), _)) if key != name => {}
                Some((Term::Const(value), _)) if value.as_str().is_none() => {}
                Some((_, rest)) => self.reads_below(*child, rest),
                None => self.reads_below(*child, &[]),
            }
        }
    }
}

/// The names up to the first that is no constant.
fn constant_prefix(refr: &Ref) -> Vec<SmolStr> {
    let names = refr.path.iter().map_while(|key| match key {
        Term::Const(Value::String(name)) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}
