//! What the machine runs: steps over the places of variables.
//!
//! Which variables have values at each step is known when a rule is compiled, so each step either reads a place or fills it, and
//! nothing is ever undone.

use smol_str::SmolStr;

use super::builtins::Builtin;
use super::value::Value;

/// The place of a variable in its rule's frame.
pub(super) type Slot = usize;
pub(super) type RuleId = usize;
pub(super) type NodeId = usize;

/// One step, and where it is written.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) line: u32,
}

/// What a step does. When it cannot, the steps before it try their next value.
#[derive(Debug)]
pub(super) enum Op {
    /// Follows names and indexes.
    Path {
        source: Source,
        keys: Box<[Template]>,
        out: Pattern,
    },
    /// Tries each member of a collection.
    Scan {
        slot: Slot,
        key: Pattern,
        value: Pattern,
    },
    /// Follows names through rules and data together.
    Tree {
        node: NodeId,
        base: Box<[SmolStr]>,
        steps: Box<[TreeStep]>,
        out: Pattern,
    },
    /// Compares a value with a pattern and fills the pattern's places.
    Match {
        value: Template,
        pattern: Pattern,
    },
    Builtin {
        builtin: &'static Builtin,
        args: Box<[Template]>,
        out: Pattern,
    },
    Call {
        rule: RuleId,
        args: Box<[Template]>,
        out: Pattern,
    },
    Walk {
        value: Template,
        out: Pattern,
    },
    /// Goes on when the steps have no result.
    Not(Box<[Step]>),
    Every {
        domain: Template,
        key: Pattern,
        value: Pattern,
        steps: Box<[Step]>,
    },
    Collect {
        sort: Collect,
        steps: Box<[Step]>,
        out: Pattern,
    },
    /// Runs steps with other documents; the slots that they fill stay filled.
    With {
        changes: Box<[Change]>,
        steps: Box<[Step]>,
        slots: Box<[Slot]>,
    },
    /// Never goes on.
    Fail,
}

#[derive(Debug)]
pub(super) enum Collect {
    Array(Template),
    Set(Template),
    Object(Template, Template),
}

#[derive(Debug)]
pub(super) enum Source {
    Input,
    Data,
    Slot(Slot),
    Rule(RuleId),
}

#[derive(Debug)]
pub(super) enum TreeStep {
    Key(Template),
    Scan(Pattern),
}

#[derive(Debug)]
pub(super) enum Change {
    Input { path: Box<[SmolStr]>, value: Template },
    Data { path: Box<[SmolStr]>, value: Template },
    Builtin { name: &'static str, by: Replacement },
    Function { rule: RuleId, by: Replacement },
}

/// What a function is replaced by.
#[derive(Debug)]
pub(super) enum Replacement {
    Value(Template),
    Rule(RuleId),
    Builtin(&'static Builtin),
}

/// How to make a value.
#[derive(Debug, Clone)]
pub(super) enum Template {
    Const(Value),
    Slot(Slot),
    Array(Box<[Template]>),
    Set(Box<[Template]>),
    Object(Box<[(Template, Template)]>),
}

/// What a value has to be.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// Anything.
    Any,
    /// Anything but `false`.
    True,
    /// Anything of this type.
    Type(&'static str),
    /// Anything; it is kept.
    Bind(Slot),
    Equal(Template),
    Array(Box<[Pattern]>),
    Object(Box<[(Template, Pattern)]>),
}

/// All rules of one name.
#[derive(Debug)]
pub(super) struct RuleSet {
    pub(super) path: Vec<SmolStr>,
    pub(super) sort: Sort,
    pub(super) definitions: Vec<Definition>,
    pub(super) default: Option<Definition>,
    /// The first one found is the only one there can be.
    pub(super) stops_early: bool,
    pub(super) file: usize,
    pub(super) line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Complete,
    Function(usize),
    /// A set.
    Set,
    /// An object, perhaps of objects or of sets.
    Object,
}

/// One rule with its else chain.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) args: Box<[Pattern]>,
    pub(super) branches: Vec<Branch>,
    pub(super) slots: usize,
    pub(super) file: usize,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) steps: Box<[Step]>,
    /// The keys of a partial object.
    pub(super) keys: Box<[Template]>,
    pub(super) value: Template,
    /// The value is a member of a set at the end of the keys.
    pub(super) is_member: bool,
    pub(super) line: u32,
}

/// Packages and rules by name.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) children: Vec<(SmolStr, NodeId)>,
    pub(super) rule: Option<RuleId>,
}

impl Node {
    pub(super) fn child(&self, name: &str) -> Option<NodeId> {
        self.children.iter().find(|(own, _)| own == name).map(|(_, node)| *node)
    }
}
