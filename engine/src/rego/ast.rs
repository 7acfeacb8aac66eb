//! Rego's syntax after names were resolved: what a variable is, and what a document, is decided here.

use smol_str::SmolStr;

use super::builtins::Builtin;
use super::value::Value;

/// A variable of a rule: the place of its value while the rule runs.
pub(super) type Var = usize;

/// A term.
#[derive(Debug, Clone)]
pub(super) enum Term {
    Const(Value),
    Var(Var),
    Ref(Box<Ref>),
    Array(Vec<Term>),
    Object(Vec<(Term, Term)>),
    Set(Vec<Term>),
    Comprehension(Box<Comprehension>),
    Call(Box<Call>),
}

/// A reference: `input.request.object`, `container[i]`.
#[derive(Debug, Clone)]
pub(super) struct Ref {
    pub(super) head: Head,
    pub(super) path: Vec<Term>,
}

/// Where a reference begins.
#[derive(Debug, Clone)]
pub(super) enum Head {
    Input,
    Data,
    Var(Var),
    /// A call, a comprehension or a list: becomes a variable.
    Term(Term),
}

/// Which collection a comprehension makes.
#[derive(Debug, Clone)]
pub(super) enum Comprehension {
    Array { item: Term, body: Vec<Expr> },
    Set { item: Term, body: Vec<Expr> },
    Object { key: Term, value: Term, body: Vec<Expr> },
}

impl Comprehension {
    pub(super) fn body(&self) -> &[Expr] {
        match self {
            Self::Array { body, .. } | Self::Set { body, .. } | Self::Object { body, .. } => body,
        }
    }
}

/// A call of a function.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) args: Vec<Term>,
}

/// Which function.
#[derive(Debug, Clone)]
pub(super) enum Function {
    Builtin(&'static Builtin),
    /// The one builtin with many results.
    Walk,
    /// A rule, by its path below `data`, and how many arguments it takes.
    Rule(Vec<SmolStr>, usize),
}

/// One expression of a body.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) negated: bool,
    pub(super) with: Vec<With>,
    pub(super) line: u32,
}

/// What an expression does.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// True when it is defined and not false.
    Term(Term),
    /// A call; with one argument more than the function takes, that one is its result.
    Call(Call),
    Unify {
        left: Term,
        right: Term,
        sort: Unify,
    },
    Every {
        key: Option<Var>,
        value: Var,
        domain: Term,
        body: Vec<Expr>,
    },
    /// Goes on when the body has no result. What is undefined in the body makes it so.
    Not(Vec<Expr>),
}

/// Which of the three equalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unify {
    /// `=`
    Both,
    /// `:=`
    Assign,
    /// `==`, which gives no variable a value.
    Compare,
}

/// `with target as value`.
#[derive(Debug, Clone)]
pub(super) struct With {
    pub(super) target: Target,
    pub(super) value: Term,
    /// The function that takes the place of one; `value` then means nothing.
    pub(super) function: Option<Function>,
}

/// What `with` replaces.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Input(Vec<SmolStr>),
    Data(Vec<SmolStr>),
    Builtin(&'static str),
}

/// A rule as written, before those of one name are put together.
#[derive(Debug)]
pub(super) struct Rule {
    /// Below `data`, as far as it is constant.
    pub(super) path: Vec<SmolStr>,
    pub(super) shape: Shape,
    /// The bodies of an else chain.
    pub(super) branches: Vec<Branch>,
    pub(super) is_default: bool,
    /// The names of its variables; `_` for those that nobody reads.
    pub(super) vars: Vec<SmolStr>,
    pub(super) file: usize,
    pub(super) line: u32,
}

/// What kind of document a rule makes.
#[derive(Debug)]
pub(super) enum Shape {
    /// One value.
    Complete,
    /// A function of so many arguments.
    Function(Vec<Term>),
    /// A set, or an object; the keys that are no constants come after the path.
    Partial { keys: Vec<Term>, is_set: bool },
}

/// One body and what the rule then is.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) value: Term,
    pub(super) body: Vec<Expr>,
    pub(super) line: u32,
}
