//! Documents of rules and data together, and walks through values.

use smol_str::SmolStr;

use super::{Each, Flow, Machine, Outcome, Sink};
use crate::rego::builtins::Halt;
use crate::rego::plan::{NodeId, Pattern, TreeStep};
use crate::rego::program::Location;
use crate::rego::value::{Set, Value};

impl<'p, 'h> Machine<'p, 'h> {
    /// The value of a document.
    pub(in crate::rego) fn value(&mut self, location: &Location) -> Result<Option<Value>, Halt> {
        let value = self.value_at(location)?;
        // After the last step nothing asks any more.
        if self.nested.get() { Err(Halt::Depth) } else { Ok(value) }
    }

    fn value_at(&mut self, location: &Location) -> Result<Option<Value>, Halt> {
        if let Some(rule) = location.rule {
            return self.rule(rule);
        }
        let base = at_path(&self.data, &location.path).cloned();
        if let Some(node) = location.node {
            self.document(node, base)
        } else {
            // Below a rule, or data alone.
            for end in (1..location.path.len()).rev() {
                let (above, below) = location.path.split_at(end);
                let rule = self.program.rules.iter().position(|set| set.path == above);
                if let Some(rule) = rule {
                    let value = self.rule(rule)?;
                    return Ok(value.and_then(|value| at_path(&value, below).cloned()));
                }
            }
            Ok(base)
        }
    }

    /// Each path in a value with what is there, the value itself first.
    pub(super) fn walk(
        &mut self,
        path: &mut Vec<Value>,
        value: &Value,
        out: &Pattern,
        frame: usize,
        each: Sink<'_, 'p, 'h>,
    ) -> Outcome {
        self.spend()?;
        let fits = match out {
            Pattern::Array(patterns) if patterns.len() == 2 => {
                let mut patterns = patterns.iter();
                let (first, second) = (patterns.next(), patterns.next());
                let path_fits = match first {
                    Some(Pattern::Any) => true,
                    Some(pattern) => {
                        self.host.spend(path.len() as u64 / 4).map_err(|_| Halt::Limit)?;
                        let path = self.made(Value::array(path.clone()));
                        self.matches(pattern, &path, frame)
                    }
                    None => false,
                };
                path_fits && second.is_some_and(|pattern| self.matches(pattern, value, frame))
            }
            other => {
                let pair = self.made(Value::array(vec![Value::array(path.clone()), value.clone()]));
                self.matches(other, &pair, frame)
            }
        };
        if fits && each(self, frame)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        let mut below = |machine: &mut Self, key: Value, child: &Value| {
            path.push(key);
            let flow = machine.inside(|machine| machine.walk(path, child, out, frame, each));
            path.pop();
            flow
        };
        match value {
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    if below(self, place.into(), item)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Object(object) => {
                for (key, member) in object.iter() {
                    if below(self, key.clone(), member)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Set(set) => {
                for member in set.iter() {
                    if below(self, member.clone(), member)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            _ => {}
        }
        Ok(Flow::More)
    }

    /// All of a package: its data, its rules and the packages below.
    pub(super) fn document(&mut self, node: NodeId, base: Option<Value>) -> Result<Option<Value>, Halt> {
        let Some(here) = self.program.nodes.get(node) else {
            return Ok(base);
        };
        if let Some(rule) = here.rule {
            return self.rule(rule);
        }
        let mut entries: Vec<(Value, Value)> = match &base {
            Some(Value::Object(object)) => object.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            _ => Vec::new(),
        };
        for (name, child) in &here.children {
            let below = base.as_ref().and_then(|base| base.member(name)).cloned();
            // Where data and a rule have one name, OPA shows the data of the whole.
            let is_data = match &below {
                Some(Value::Object(_)) => self.program.nodes.get(*child).is_some_and(|child| child.rule.is_some()),
                Some(_) => true,
                None => false,
            };
            if !is_data && let Some(value) = self.inside(|machine| machine.document(*child, below))? {
                entries.push((Value::String(name.clone()), value));
            }
        }
        Ok(Some(self.made(Value::object(entries))))
    }

    /// Follows keys through packages, rules and data.
    pub(super) fn tree(
        &mut self,
        node: Option<NodeId>,
        base: Option<Value>,
        steps: &'p [TreeStep],
        frame: usize,
        each: Each<'_, 'p, 'h>,
    ) -> Outcome {
        self.spend()?;
        let here = node.and_then(|node| self.program.nodes.get(node));
        let Some(here) = here else {
            return match base {
                Some(value) => self.below(&value, steps, frame, each),
                None => Ok(Flow::More),
            };
        };
        if let Some(rule) = here.rule {
            let key = match steps.first() {
                Some(TreeStep::Key(key)) => Some(self.make(key, frame)),
                _ => None,
            };
            return match self.rule_for(rule, key.as_ref())? {
                Some(value) => self.below(&value, steps, frame, each),
                None => Ok(Flow::More),
            };
        }
        match steps.split_first() {
            None => match self.document(node.unwrap_or(0), base)? {
                Some(value) => each(self, value),
                None => Ok(Flow::More),
            },
            Some((TreeStep::Key(key), rest)) => {
                let key = self.make(key, frame);
                let child = key.as_str().and_then(|name| here.child(name));
                let below = base.as_ref().and_then(|base| base.get(&key)).cloned();
                self.inside(|machine| machine.tree(child, below, rest, frame, each))
            }
            Some((TreeStep::Scan(pattern), rest)) => {
                let mut keys: Vec<Value> = here
                    .children
                    .iter()
                    .map(|(name, _)| Value::String(name.clone()))
                    .collect();
                if let Some(Value::Object(object)) = &base {
                    keys.extend(object.iter().map(|(key, _)| key.clone()));
                }
                for key in &Set::new(keys) {
                    if !self.matches(pattern, key, frame) {
                        continue;
                    }
                    let child = key.as_str().and_then(|name| here.child(name));
                    let below = base.as_ref().and_then(|base| base.get(key)).cloned();
                    if self.inside(|machine| machine.tree(child, below, rest, frame, each))? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Ok(Flow::More)
            }
        }
    }

    /// Follows keys into a value.
    pub(super) fn below(
        &mut self,
        value: &Value,
        steps: &'p [TreeStep],
        frame: usize,
        each: Each<'_, 'p, 'h>,
    ) -> Outcome {
        match steps.split_first() {
            None => each(self, value.clone()),
            Some((TreeStep::Key(key), rest)) => {
                let key = self.make(key, frame);
                match value.get(&key) {
                    Some(next) => self.inside(|machine| machine.below(&next.clone(), rest, frame, each)),
                    None => Ok(Flow::More),
                }
            }
            Some((TreeStep::Scan(pattern), rest)) => {
                let entries: Vec<(Value, Value)> = match value {
                    Value::Array(items) => items
                        .iter()
                        .enumerate()
                        .map(|(place, item)| (place.into(), item.clone()))
                        .collect(),
                    Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
                    Value::Set(set) => set.iter().map(|member| (member.clone(), member.clone())).collect(),
                    _ => Vec::new(),
                };
                for (key, next) in entries {
                    self.spend()?;
                    if self.matches(pattern, &key, frame)
                        && self.inside(|machine| machine.below(&next, rest, frame, each))? == Flow::Stop
                    {
                        return Ok(Flow::Stop);
                    }
                }
                Ok(Flow::More)
            }
        }
    }
}

pub(super) fn at_path<'v>(value: &'v Value, path: &[SmolStr]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Object(object) => object.member(name),
        other => other.get(&Value::String(name.clone())),
    })
}
