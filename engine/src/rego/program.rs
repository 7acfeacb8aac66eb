//! Modules become a program, whole or refused with every reason.

mod layout;

use std::collections::BTreeSet;

use smol_str::SmolStr;

use self::layout::{Layout, cycle};
use super::Dialect;
use super::builtins::{Halt, Host};
use super::machine::Machine;
use super::parse;
use super::plan::{Node, NodeId, RuleId, RuleSet, Sort};
use super::planner::Tables;
use super::resolve::{Names, Unit};
use super::value::Value;
use crate::policy::Problem;

/// One file of Rego.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name in messages.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Its syntax.
    pub dialect: Dialect,
}

/// Modules that were compiled together.
#[derive(Debug)]
pub struct Program {
    pub(super) rules: Vec<RuleSet>,
    pub(super) nodes: Vec<Node>,
    pub(super) files: Vec<String>,
    /// Which rules each rule reads.
    pub(super) reads: Vec<BTreeSet<RuleId>>,
    documents: Vec<Read>,
    /// For each of them the rule that reads it.
    readers: Vec<RuleId>,
    clock: Vec<(String, u32)>,
}

/// A document that a program reads and does not define.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// Below `input`, or below `data`.
    pub is_input: bool,
    /// The names after that, as far as they are constant.
    pub path: Vec<SmolStr>,
}

/// Where a reference below `data` leads: found once, evaluated often.
#[derive(Debug, Clone, Default)]
pub struct Location {
    pub(super) path: Vec<SmolStr>,
    pub(super) node: Option<NodeId>,
    pub(super) rule: Option<RuleId>,
}

impl Program {
    /// Compiles modules, which may refer to each other.
    ///
    /// # Errors
    /// Everything that is wrong, with file and line.
    pub fn compile(sources: &[Source<'_>]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut units = Vec::new();
        let mut names = Names::default();
        for (file, source) in sources.iter().enumerate() {
            let unit = parse::module(source.file, source.text, source.dialect)
                .and_then(|module| Unit::new(module, file))
                .and_then(|unit| unit.declare(&mut names).map(|()| unit));
            match unit {
                Ok(unit) => units.push(unit),
                Err((line, message)) => problems.push(Problem::at(source.file, line, message)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        super::annotations::attach(&mut units, sources);
        let file_name = |file: usize| sources.get(file).map_or("", |source| source.file);
        let mut rules = Vec::new();
        for unit in &units {
            match unit.rules(&names) {
                Ok(more) => rules.extend(more),
                Err(more) => problems.extend(
                    more.into_iter()
                        .map(|(line, m)| Problem::at(file_name(unit.file), line, m)),
                ),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut layout = Layout::default();
        for unit in &units {
            layout.package(&unit.package);
        }
        let groups = layout.groups(rules).map_err(|wrong| {
            let at = |(file, line, message): (usize, u32, String)| {
                Problem::at(file_name(file), usize::try_from(line).unwrap_or(0), message)
            };
            wrong.into_iter().map(at).collect::<Vec<_>>()
        })?;
        let sorts: Vec<Sort> = groups.iter().map(|group| group.sort).collect();
        let tables = Tables {
            nodes: &layout.nodes,
            sorts: &sorts,
            paths: &layout.paths,
        };
        let mut sets = Vec::new();
        let mut reads = Vec::new();
        let mut documents = Vec::new();
        let mut readers = Vec::new();
        let mut clock = Vec::new();
        for group in groups {
            match group.plan(&tables) {
                Ok(planned) => {
                    readers.resize(readers.len() + planned.documents.len(), sets.len());
                    sets.push(planned.set);
                    reads.push(planned.reads);
                    let asking = planned.clock.into_iter();
                    clock.extend(asking.map(|(file, line)| (file_name(file).to_owned(), line)));
                    documents.extend(
                        planned
                            .documents
                            .into_iter()
                            .map(|(file, (is_input, path, line))| Read {
                                file: file_name(file).to_owned(),
                                line,
                                is_input,
                                path,
                            }),
                    );
                }
                Err(more) => problems.extend(
                    more.into_iter()
                        .map(|(file, line, m)| Problem::at(file_name(file), line, m)),
                ),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if let Some((set, cycle)) = cycle(&sets, &reads) {
            let names: Vec<String> = cycle
                .iter()
                .filter_map(|rule| sets.get(*rule))
                .map(|set| set.path.join("."))
                .collect();
            let message = format!("rules call themselves: {}; Rego forbids recursion", names.join(" -> "));
            let line = usize::try_from(set.line).unwrap_or(0);
            return Err(vec![Problem::at(file_name(set.file), line, message)]);
        }
        Ok(Self {
            rules: sets,
            nodes: layout.nodes,
            files: sources.iter().map(|source| source.file.to_owned()).collect(),
            reads,
            documents,
            readers,
            clock,
        })
    }

    /// Finds what a reference such as `data.shop.deny` leads to.
    pub fn locate(&self, path: &str) -> Location {
        let names = path.strip_prefix("data").unwrap_or(path);
        let path: Vec<SmolStr> = names
            .split('.')
            .filter(|name| !name.is_empty())
            .map(SmolStr::new)
            .collect();
        let mut node = Some(0);
        for name in &path {
            node = node.and_then(|node| self.nodes.get(node)?.child(name));
        }
        let rule = node.and_then(|node| self.nodes.get(node)?.rule);
        Location { path, node, rule }
    }

    /// Whether a rule is there.
    pub fn has_rule(&self, path: &str) -> bool {
        self.locate(path).rule.is_some()
    }

    /// The paths of all rules but functions, below `data`, with the number of the file and the line of the first.
    pub fn rules(&self) -> impl Iterator<Item = (String, &str, u32)> {
        self.rules
            .iter()
            .filter(|set| !matches!(set.sort, Sort::Function(_)))
            .map(|set| {
                let file = self.files.get(set.file).map_or("", String::as_str);
                (set.path.join("."), file, set.line)
            })
    }

    /// The names of the files, by their number.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// The files and lines that can run.
    pub fn lines(&self) -> BTreeSet<(usize, u32)> {
        let mut lines = BTreeSet::new();
        for definition in self
            .rules
            .iter()
            .flat_map(|set| set.definitions.iter().chain(&set.default))
        {
            for branch in &definition.branches {
                lines.insert((definition.file, branch.line));
                lines.extend(branch.steps.iter().map(|step| (definition.file, step.line)));
            }
        }
        lines
    }

    /// The files and lines that ask for the time.
    pub fn asks_for_time(&self) -> &[(String, u32)] {
        &self.clock
    }

    /// The documents that are read and not defined.
    pub fn documents(&self) -> &[Read] {
        &self.documents
    }

    /// Whether a rule reads another one, itself or through the rules that it uses.
    pub fn leads_to(&self, from: &Location, to: &Location) -> bool {
        let reached = self.reached(from.rule.into_iter().collect());
        to.rule.is_some_and(|rule| reached.contains(&rule))
    }

    pub(super) fn reached(&self, mut left: Vec<RuleId>) -> BTreeSet<RuleId> {
        let mut seen = BTreeSet::new();
        while let Some(rule) = left.pop() {
            if seen.insert(rule) {
                left.extend(self.reads.get(rule).into_iter().flatten());
            }
        }
        seen
    }

    /// Those that the rules of a package read, themselves or through the rules that they use.
    pub fn documents_for(&self, package: &str) -> Vec<&Read> {
        let names: Vec<&str> = package.split('.').collect();
        let is_own = |set: &RuleSet| set.path.len() > names.len() && set.path.iter().zip(&names).all(|(a, b)| a == b);
        let own = self.rules.iter().enumerate().filter(|(_, set)| is_own(set));
        let seen = self.reached(own.map(|(id, _)| id).collect());
        let pairs = self.documents.iter().zip(&self.readers);
        pairs
            .filter_map(|(read, reader)| seen.contains(reader).then_some(read))
            .collect()
    }

    /// The value of a reference such as `data.shop.deny`; `None` when it is undefined.
    pub fn eval(
        &self,
        path: &str,
        input: Option<&Value>,
        data: &Value,
        host: &mut Host,
    ) -> Result<Option<Value>, Halt> {
        self.value(&self.locate(path), input, data, host)
    }

    /// The value at a place that was found before.
    pub fn value(
        &self,
        location: &Location,
        input: Option<&Value>,
        data: &Value,
        host: &mut Host,
    ) -> Result<Option<Value>, Halt> {
        Machine::new(self, input.cloned(), data.clone(), host).value(location)
    }
}
