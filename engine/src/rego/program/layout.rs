//! Where rules are, and which of them are one: rules of one name become a set, planned together.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use crate::rego::ast::{self, Shape};
use crate::rego::plan::{Definition, Node, NodeId, RuleId, RuleSet, Sort, Template};
use crate::rego::planner::{self, Tables};

/// Where rules are.
pub(super) struct Layout {
    pub(super) nodes: Vec<Node>,
    pub(super) paths: BTreeMap<Vec<SmolStr>, RuleId>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            paths: BTreeMap::new(),
        }
    }
}

/// The rules of one name, before they are planned.
pub(super) struct Group {
    path: Vec<SmolStr>,
    pub(super) sort: Sort,
    rules: Vec<ast::Rule>,
}

type Wrong = (usize, u32, String);
/// Whether it is below input, its names, and the line.
type Document = (bool, Vec<SmolStr>, u32);
/// A rule, the rules that it reads, and the other documents, with the number of the file.
pub(super) struct Planned {
    pub(super) set: RuleSet,
    pub(super) reads: BTreeSet<RuleId>,
    pub(super) documents: Vec<(usize, Document)>,
    pub(super) clock: Vec<(usize, u32)>,
}

impl Layout {
    pub(super) fn package(&mut self, path: &[SmolStr]) -> NodeId {
        let mut node = 0;
        for name in path {
            let child = self.nodes.get(node).and_then(|node| node.child(name));
            node = child.unwrap_or_else(|| {
                let new = self.nodes.len();
                self.nodes.push(Node::default());
                if let Some(parent) = self.nodes.get_mut(node) {
                    parent.children.push((name.clone(), new));
                }
                new
            });
        }
        node
    }

    pub(super) fn groups(&mut self, rules: Vec<ast::Rule>) -> Result<Vec<Group>, Vec<Wrong>> {
        // A rule below an object that is made of parts is one of its parts.
        let partial: BTreeSet<Vec<SmolStr>> = rules
            .iter()
            .filter(|rule| matches!(&rule.shape, Shape::Partial { keys, is_set } if !is_set || !keys.is_empty()))
            .map(|rule| rule.path.clone())
            .collect();
        let mut by_path: BTreeMap<Vec<SmolStr>, Vec<ast::Rule>> = BTreeMap::new();
        for rule in rules {
            let whole = &rule.path;
            let owner = (1..=whole.len())
                .filter_map(|end| whole.get(..end))
                .find(|path| partial.contains(*path));
            let path = owner.map_or_else(|| whole.clone(), <[SmolStr]>::to_vec);
            by_path.entry(path).or_default().push(rule);
        }
        let mut wrong = Vec::new();
        let mut groups = Vec::new();
        for (path, rules) in by_path {
            let sorts: Vec<Sort> = rules
                .iter()
                .filter(|rule| !rule.is_default)
                .map(|rule| sort_of(rule, &path))
                .collect();
            let default = rules.iter().find(|rule| rule.is_default);
            let sort = sorts
                .first()
                .copied()
                .or_else(|| default.map(|rule| sort_of(rule, &path)));
            let Some(sort) = sort else { continue };
            for (rule, other) in rules.iter().filter(|rule| !rule.is_default).zip(&sorts) {
                if *other != sort {
                    let message = format!(
                        "conflicting rules data.{}: one name has to be one kind of rule",
                        path.join(".")
                    );
                    wrong.push((rule.file, rule.line, message));
                }
            }
            let mut defaults = rules.iter().filter(|rule| rule.is_default);
            if let (Some(_), Some(second)) = (defaults.next(), defaults.next()) {
                wrong.push((
                    second.file,
                    second.line,
                    format!("multiple default rules data.{}", path.join(".")),
                ));
            }
            if let Some(default) = default.filter(|_| matches!(sort, Sort::Set | Sort::Object)) {
                wrong.push((
                    default.file,
                    default.line,
                    "a partial rule cannot have a default".to_owned(),
                ));
            }
            let node = self.package(&path);
            let id = groups.len();
            match self.nodes.get_mut(node) {
                Some(node) if node.children.is_empty() => node.rule = Some(id),
                _ => {
                    if let Some(rule) = rules.first() {
                        let message = format!("data.{} is a rule and a package, or a part of a rule", path.join("."));
                        wrong.push((rule.file, rule.line, message));
                    }
                }
            }
            self.paths.insert(path.clone(), id);
            groups.push(Group { path, sort, rules });
        }
        for path in self.paths.keys() {
            let below = (1..path.len())
                .filter_map(|end| path.get(..end))
                .find(|parent| self.paths.contains_key(*parent));
            if let Some(parent) = below {
                let id = self.paths.get(path).copied().unwrap_or_default();
                let rule = groups.get(id).and_then(|group| group.rules.first());
                let message = format!(
                    "conflicting rules data.{} and data.{}",
                    parent.join("."),
                    path.join(".")
                );
                wrong.push((
                    rule.map_or(0, |rule| rule.file),
                    rule.map_or(0, |rule| rule.line),
                    message,
                ));
            }
        }
        if wrong.is_empty() { Ok(groups) } else { Err(wrong) }
    }
}

fn sort_of(rule: &ast::Rule, group: &[SmolStr]) -> Sort {
    match &rule.shape {
        Shape::Function(args) => Sort::Function(args.len()),
        Shape::Partial { keys, is_set: true } if keys.is_empty() && rule.path == group => Sort::Set,
        Shape::Complete if rule.path == group => Sort::Complete,
        _ => Sort::Object,
    }
}

impl Group {
    pub(super) fn plan(self, tables: &Tables<'_>) -> Result<Planned, Vec<(usize, usize, String)>> {
        let (file, line) = self.rules.first().map_or((0, 0), |rule| (rule.file, rule.line));
        let mut definitions: Vec<Definition> = Vec::new();
        let mut default = None;
        let mut reads = BTreeSet::new();
        let mut documents = Vec::new();
        let mut clock = Vec::new();
        let mut wrong = Vec::new();
        for rule in self.rules {
            let prefix: Vec<SmolStr> = rule.path.get(self.path.len()..).unwrap_or_default().to_vec();
            let is_default = rule.is_default;
            let file = rule.file;
            match planner::definition(rule, &prefix, self.sort, tables) {
                Ok((definition, read)) => {
                    reads.extend(read.rules);
                    documents.extend(read.documents.into_iter().map(|document| (file, document)));
                    clock.extend(read.clock.into_iter().map(|line| (file, line)));
                    if is_default {
                        default = Some(definition);
                    } else {
                        definitions.push(definition);
                    }
                }
                Err((line, message)) => wrong.push((file, line, message)),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let values: Vec<&Template> = definitions
            .iter()
            .flat_map(|definition| &definition.branches)
            .map(|branch| &branch.value)
            .collect();
        let stops_early = match values.first() {
            Some(Template::Const(first)) => values
                .iter()
                .all(|value| matches!(value, Template::Const(other) if other == first)),
            _ => false,
        };
        let set = RuleSet {
            path: self.path,
            sort: self.sort,
            definitions,
            default,
            stops_early,
            file,
            line,
        };
        Ok(Planned {
            set,
            reads,
            documents,
            clock,
        })
    }
}

/// A chain of rules that leads back to its start.
pub(super) fn cycle<'a>(sets: &'a [RuleSet], reads: &[BTreeSet<RuleId>]) -> Option<(&'a RuleSet, Vec<RuleId>)> {
    let of = |rule: RuleId| reads.get(rule).into_iter().flatten().copied();
    // Takes away, again and again, what reads nothing that is left: what stays is in a chain, or reads one.
    let mut readers: Vec<Vec<RuleId>> = vec![Vec::new(); reads.len()];
    let mut missing: Vec<usize> = reads.iter().map(BTreeSet::len).collect();
    for rule in 0..reads.len() {
        for read in of(rule) {
            if let Some(readers) = readers.get_mut(read) {
                readers.push(rule);
            }
        }
    }
    let mut free: Vec<RuleId> = (0..reads.len()).filter(|rule| missing.get(*rule) == Some(&0)).collect();
    while let Some(rule) = free.pop() {
        for reader in readers.get(rule).into_iter().flatten() {
            if let Some(count) = missing.get_mut(*reader) {
                *count -= 1;
                if *count == 0 {
                    free.push(*reader);
                }
            }
        }
    }
    let stays = |rule: &RuleId| missing.get(*rule).is_some_and(|count| *count > 0);
    let mut path = vec![(0..reads.len()).find(stays)?];
    loop {
        let next = of(*path.last()?).find(stays)?;
        let start = path.iter().position(|rule| *rule == next);
        path.push(next);
        if let Some(start) = start {
            let chain = path.get(start..)?.to_vec();
            return Some((sets.get(next)?, chain));
        }
    }
}
