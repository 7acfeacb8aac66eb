//! Ordered bodies become steps.

mod patterns;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::ast::{self, Comprehension, Expr, Function, Head, Kind, Ref, Shape, Target, Term, Var};
use super::body::{self, Expander};
use super::order::{self, Vars};
use super::plan::{Branch, Change, Collect, Definition, Node, Op, Pattern, Replacement, RuleId, Sort, Step, Template};
use super::value::Value;

type Refused<T> = Result<T, (usize, String)>;

/// What is known of all rules while one is planned.
pub(super) struct Tables<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) sorts: &'a [Sort],
    pub(super) paths: &'a BTreeMap<Vec<SmolStr>, RuleId>,
}

/// Plans one rule.
pub(super) struct Planner<'a> {
    tables: &'a Tables<'a>,
    names: Vec<SmolStr>,
    bound: Vars,
    line: u32,
    reads: Reads,
}

/// What a rule reads outside of itself.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pub(super) rules: BTreeSet<RuleId>,
    /// Documents that are no rules: whether below input, the names as far as they are constant, and the line.
    pub(super) documents: Vec<(bool, Vec<SmolStr>, u32)>,
    /// The lines that ask for the time.
    pub(super) clock: Vec<u32>,
}

/// Where the value at the end of a reference goes.
enum Out<'t> {
    True,
    Unify(&'t Term),
}

/// Plans a rule. `prefix` are the constant keys between the rule that it is a part of and itself.
pub(super) fn definition(
    rule: ast::Rule,
    prefix: &[SmolStr],
    sort: Sort,
    tables: &Tables<'_>,
) -> Refused<(Definition, Reads)> {
    let mut planner = Planner {
        tables,
        names: rule.vars,
        bound: Vars::new(),
        line: rule.line,
        reads: Reads::default(),
    };
    let (args, keys, is_set) = match rule.shape {
        Shape::Complete => (Vec::new(), Vec::new(), false),
        Shape::Function(args) => (args, Vec::new(), false),
        Shape::Partial { keys, is_set } => (Vec::new(), keys, is_set),
    };
    let args = args
        .iter()
        .map(|arg| planner.pattern(arg))
        .collect::<Refused<Vec<_>>>()?;
    let outside = planner.bound.clone();
    let mut branches = Vec::new();
    for branch in rule.branches {
        planner.bound.clone_from(&outside);
        planner.line = branch.line;
        let mut heads = keys.clone();
        heads.push(branch.value);
        let mut expander = Expander {
            names: &mut planner.names,
        };
        let (mut heads, body) = expander.with_heads(heads, branch.body, branch.line);
        let mut steps = planner.body(body)?;
        let value = heads.pop().unwrap_or(Term::Const(Value::Null));
        let value = planner.operand(&value, &mut steps)?;
        let mut templates: Vec<Template> = prefix
            .iter()
            .map(|name| Template::Const(Value::String(name.clone())))
            .collect();
        for key in &heads {
            templates.push(planner.operand(key, &mut steps)?);
        }
        branches.push(Branch {
            steps: steps.into(),
            keys: templates.into(),
            value,
            is_member: is_set && sort == Sort::Object,
            line: branch.line,
        });
    }
    let definition = Definition {
        args: args.into(),
        branches,
        slots: planner.names.len(),
        file: rule.file,
    };
    Ok((definition, planner.reads))
}

impl Planner<'_> {
    fn fresh(&mut self) -> Var {
        self.names.push(SmolStr::default());
        self.names.len() - 1
    }

    fn refuse<T>(&self, message: impl Into<String>) -> Refused<T> {
        Err((usize::try_from(self.line).unwrap_or(0), message.into()))
    }

    fn unsafe_var<T>(&self, var: Var) -> Refused<T> {
        let name = self.names.get(var).map_or("", SmolStr::as_str);
        let name = if name.is_empty() { "_" } else { name };
        self.refuse(format!("var {name} is unsafe: nothing gives it a value"))
    }

    /// Orders and plans expanded expressions.
    fn body(&mut self, body: Vec<Expr>) -> Refused<Vec<Step>> {
        let ordered = order::order(body, &self.bound).map_err(|lost| {
            let named = lost
                .iter()
                .find(|(var, _)| self.names.get(*var).is_some_and(|name| !name.is_empty()));
            let (var, line) = named.or(lost.first()).copied().unwrap_or((0, self.line));
            let name = self.names.get(var).map_or("", SmolStr::as_str);
            let name = if name.is_empty() { "_" } else { name };
            (
                usize::try_from(line).unwrap_or(0),
                format!("var {name} is unsafe: nothing gives it a value"),
            )
        })?;
        let mut steps = Vec::new();
        for expr in ordered {
            self.expr(expr, &mut steps)?;
        }
        Ok(steps)
    }

    fn push(&self, steps: &mut Vec<Step>, op: Op) {
        steps.push(Step { op, line: self.line });
    }

    fn expr(&mut self, expr: Expr, steps: &mut Vec<Step>) -> Refused<()> {
        self.line = expr.line;
        if expr.with.is_empty() {
            return self.kind(expr.kind, expr.negated, steps);
        }
        let before = self.bound.clone();
        let mut changes = Vec::new();
        for with in &expr.with {
            changes.push(self.change(with, steps)?);
        }
        let mut inner = Vec::new();
        self.kind(expr.kind, expr.negated, &mut inner)?;
        self.line = expr.line;
        let slots = self.bound.difference(&before).copied().collect();
        let steps_inside = inner.into();
        self.push(
            steps,
            Op::With {
                changes: changes.into(),
                steps: steps_inside,
                slots,
            },
        );
        Ok(())
    }

    fn change(&mut self, with: &ast::With, steps: &mut Vec<Step>) -> Refused<Change> {
        match &with.target {
            Target::Input(path) => {
                let value = self.operand(&with.value, steps)?;
                Ok(Change::Input {
                    path: path.as_slice().into(),
                    value,
                })
            }
            Target::Data(path) => {
                if let Some(rule) = self.tables.paths.get(path).copied()
                    && let Some(Sort::Function(_)) = self.tables.sorts.get(rule)
                {
                    let by = self.replacement(with, steps)?;
                    return Ok(Change::Function { rule, by });
                }
                let inside = (1..path.len()).any(|end| {
                    path.get(..end)
                        .is_some_and(|parent| self.tables.paths.contains_key(parent))
                });
                if inside {
                    return self.refuse(format!(
                        "`with data.{}` replaces a part of a rule; replace the rule",
                        path.join(".")
                    ));
                }
                let value = self.operand(&with.value, steps)?;
                Ok(Change::Data {
                    path: path.as_slice().into(),
                    value,
                })
            }
            Target::Builtin(name) => {
                let by = self.replacement(with, steps)?;
                Ok(Change::Builtin { name, by })
            }
        }
    }

    fn replacement(&mut self, with: &ast::With, steps: &mut Vec<Step>) -> Refused<Replacement> {
        Ok(match &with.function {
            Some(Function::Builtin(builtin)) => Replacement::Builtin(builtin),
            Some(Function::Rule(path, _)) => {
                let Some(rule) = self.tables.paths.get(path).copied() else {
                    return self.refuse(format!("there is no function data.{}", path.join(".")));
                };
                self.reads.rules.insert(rule);
                Replacement::Rule(rule)
            }
            Some(Function::Walk) => return self.refuse("walk cannot take the place of a function"),
            None => Replacement::Value(self.operand(&with.value, steps)?),
        })
    }

    fn kind(&mut self, kind: Kind, negated: bool, steps: &mut Vec<Step>) -> Refused<()> {
        if !negated {
            return self.positive(kind, steps, None);
        }
        let mut inner = Vec::new();
        self.positive(kind, steps, Some(&mut inner))?;
        self.push(steps, Op::Not(inner.into()));
        Ok(())
    }

    /// `steps` gets what is evaluated before the expression, `inner` the expression itself, when that is another place.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
    fn positive(&mut self, kind: Kind, steps: &mut Vec<Step>, mut inner: Option<&mut Vec<Step>>) -> Refused<()> {
        match kind {
            Kind::Term(Term::Ref(refr)) => {
                let refr = self.prepared(&refr, steps)?;
                self.path(&refr, &Out::True, inner.unwrap_or(steps))
            }
            Kind::Term(term) => {
                let value = self.operand(&term, steps)?;
                let step = Op::Match {
                    value,
                    pattern: Pattern::True,
                };
                self.push(inner.unwrap_or(steps), step);
                Ok(())
            }
            Kind::Call(call) => {
                let takes = body::takes(&call.function);
                let mut args = Vec::new();
                for arg in call.args.iter().take(takes) {
                    args.push(self.operand(arg, steps)?);
                }
                let result = call.args.get(takes).map(|term| self.flat(term, steps)).transpose()?;
                let out = match &result {
                    Some(term) => self.pattern(term)?,
                    None => Pattern::True,
                };
                let op = match call.function {
                    Function::Builtin(builtin) if builtin.name == "time.now_ns" => {
                        self.reads.clock.push(self.line);
                        Op::Builtin {
                            builtin,
                            args: args.into(),
                            out,
                        }
                    }
                    Function::Builtin(builtin) => Op::Builtin {
                        builtin,
                        args: args.into(),
                        out,
                    },
                    Function::Walk => {
                        let value = args.pop().unwrap_or(Template::Const(Value::Null));
                        Op::Walk { value, out }
                    }
                    Function::Rule(path, _) => {
                        let Some(rule) = self.tables.paths.get(&path).copied() else {
                            return self.refuse(format!("there is no function data.{}", path.join(".")));
                        };
                        self.reads.rules.insert(rule);
                        Op::Call {
                            rule,
                            args: args.into(),
                            out,
                        }
                    }
                };
                self.push(inner.unwrap_or(steps), op);
                Ok(())
            }
            // As in OPA, the reference comes first: when it is undefined, the comprehension is not evaluated.
            Kind::Unify {
                left: Term::Ref(refr),
                right: Term::Comprehension(comprehension),
                ..
            }
            | Kind::Unify {
                left: Term::Comprehension(comprehension),
                right: Term::Ref(refr),
                ..
            } => {
                let refr = self.prepared(&refr, steps)?;
                let steps = inner.unwrap_or(steps);
                let (one, other) = (self.fresh(), self.fresh());
                self.path(&refr, &Out::Unify(&Term::Var(one)), steps)?;
                let name = match *comprehension {
                    Comprehension::Array { .. } => "array",
                    Comprehension::Set { .. } => "set",
                    Comprehension::Object { .. } => "object",
                };
                self.push(
                    steps,
                    Op::Match {
                        value: Template::Slot(one),
                        pattern: Pattern::Type(name),
                    },
                );
                self.comprehension(&comprehension, other, steps)?;
                self.unify(&Term::Var(one), &Term::Var(other), steps)
            }
            Kind::Unify { left, right, .. } => {
                let left = self.side(left, steps)?;
                let right = self.side(right, steps)?;
                match (&left, &right) {
                    (Term::Ref(a), Term::Ref(b)) => {
                        let steps = inner.unwrap_or(steps);
                        let between = Term::Var(self.fresh());
                        self.path(a, &Out::Unify(&between), steps)?;
                        self.path(b, &Out::Unify(&between), steps)
                    }
                    (Term::Ref(refr), other) | (other, Term::Ref(refr)) => {
                        self.path(refr, &Out::Unify(other), inner.unwrap_or(steps))
                    }
                    _ => self.unify(&left, &right, inner.unwrap_or(steps)),
                }
            }
            Kind::Every {
                key,
                value,
                domain,
                body,
            } => {
                let domain = self.operand(&domain, steps)?;
                let outside = self.bound.clone();
                let key = key.map_or(Pattern::Any, Pattern::Bind);
                self.bound.insert(value);
                if let Pattern::Bind(var) = key {
                    self.bound.insert(var);
                }
                let line = self.line;
                let inside = self.body(body)?;
                self.line = line;
                self.bound = outside;
                let value = Pattern::Bind(value);
                let op = Op::Every {
                    domain,
                    key,
                    value,
                    steps: inside.into(),
                };
                self.push(inner.as_deref_mut().unwrap_or(steps), op);
                Ok(())
            }
            Kind::Not(body) => {
                let outside = self.bound.clone();
                let line = self.line;
                let inside = self.body(body)?;
                self.line = line;
                self.bound = outside;
                self.push(inner.unwrap_or(steps), Op::Not(inside.into()));
                Ok(())
            }
        }
    }

    /// One side of a unification: a reference stays one, everything in it and around it is ready.
    fn side(&mut self, term: Term, steps: &mut Vec<Step>) -> Refused<Term> {
        match term {
            Term::Ref(refr) => Ok(Term::Ref(Box::new(self.prepared(&refr, steps)?))),
            other => self.flat(&other, steps),
        }
    }

    /// The reference with the references in its brackets as variables.
    fn prepared(&mut self, refr: &Ref, steps: &mut Vec<Step>) -> Refused<Ref> {
        let is_closure = |key: &Term| matches!(key, Term::Comprehension(_));
        if matches!(refr.head, Head::Data) && refr.path.iter().any(is_closure) {
            let (node, _) = self.node(&refr.path);
            if self.tables.nodes.get(node).is_none_or(|node| node.rule.is_none()) {
                // OPA answers some of these with values that are not there.
                return self.refuse("a comprehension cannot be a key of a document below data; assign it first");
            }
        }
        let path = refr
            .path
            .iter()
            .map(|key| self.flat(key, steps))
            .collect::<Refused<_>>()?;
        Ok(Ref {
            head: refr.head.clone(),
            path,
        })
    }

    /// The term with references and comprehensions as variables that have values.
    fn flat(&mut self, term: &Term, steps: &mut Vec<Step>) -> Refused<Term> {
        Ok(match term {
            Term::Const(_) | Term::Var(_) => term.clone(),
            Term::Ref(refr) => {
                let refr = self.prepared(refr, steps)?;
                let var = self.fresh();
                self.path(&refr, &Out::Unify(&Term::Var(var)), steps)?;
                Term::Var(var)
            }
            Term::Array(items) => Term::Array(
                items
                    .iter()
                    .map(|item| self.flat(item, steps))
                    .collect::<Refused<_>>()?,
            ),
            Term::Set(items) => Term::Set(
                items
                    .iter()
                    .map(|item| self.flat(item, steps))
                    .collect::<Refused<_>>()?,
            ),
            Term::Object(fields) => Term::Object(
                fields
                    .iter()
                    .map(|(key, value)| Ok((self.flat(key, steps)?, self.flat(value, steps)?)))
                    .collect::<Refused<_>>()?,
            ),
            Term::Comprehension(comprehension) => {
                let var = self.fresh();
                self.comprehension(comprehension, var, steps)?;
                Term::Var(var)
            }
            Term::Call(_) => return self.refuse("a call stands where none can"),
        })
    }

    fn comprehension(&mut self, comprehension: &Comprehension, var: Var, steps: &mut Vec<Step>) -> Refused<()> {
        let outside = self.bound.clone();
        let line = self.line;
        let mut inside = self.body(comprehension.body().to_vec())?;
        let sort = match comprehension {
            Comprehension::Array { item, .. } => Collect::Array(self.operand(item, &mut inside)?),
            Comprehension::Set { item, .. } => Collect::Set(self.operand(item, &mut inside)?),
            Comprehension::Object { key, value, .. } => {
                let key = self.operand(key, &mut inside)?;
                Collect::Object(key, self.operand(value, &mut inside)?)
            }
        };
        self.line = line;
        self.bound = outside;
        self.bound.insert(var);
        let out = Pattern::Bind(var);
        self.push(
            steps,
            Op::Collect {
                sort,
                steps: inside.into(),
                out,
            },
        );
        Ok(())
    }
}
