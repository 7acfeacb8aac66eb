//! Statements of the syntax tree, with their names resolved.

use regorus::unstable as syntax;
use smol_str::SmolStr;

use super::make::reference;
use super::names::{check_assignable, constant_path, is_print, line, line_of, pattern_names};
use super::{Node, Refused, Resolver, Scope};
use crate::rego::ast::{Expr, Function, Head, Kind, Target, Term, Unify, With};
use crate::rego::builtins;
use crate::rego::value::Value;

impl Resolver<'_> {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
    pub(super) fn statement(&mut self, statement: &syntax::LiteralStmt, out: &mut Vec<Expr>) -> Refused<()> {
        let at = line(&statement.span);
        let make = |kind, negated, with| Expr {
            kind,
            negated,
            with,
            line: at,
        };
        match &statement.literal {
            syntax::Literal::SomeVars { vars, .. } => {
                for var in vars {
                    self.declare(&SmolStr::new(var.text()), at)?;
                }
            }
            syntax::Literal::SomeIn {
                key, value, collection, ..
            } => {
                let collection = self.term(collection)?;
                let with = self.modifiers(statement)?;
                let mut names = Vec::new();
                for pattern in key.iter().chain([value]) {
                    pattern_names(pattern, &mut names);
                }
                names.sort();
                names.dedup();
                for name in &names {
                    self.declare(name, at)?;
                }
                let value = self.term(value)?;
                let key = match key {
                    Some(key) => self.term(key)?,
                    None => Term::Var(self.fresh("_")),
                };
                let right = match collection {
                    Term::Ref(mut refr) => {
                        refr.path.push(key);
                        Term::Ref(refr)
                    }
                    Term::Var(var) => reference(Head::Var(var), vec![key]),
                    other => reference(Head::Term(other), vec![key]),
                };
                let sort = Unify::Both;
                out.push(make(
                    Kind::Unify {
                        left: value,
                        right,
                        sort,
                    },
                    false,
                    with,
                ));
            }
            syntax::Literal::Expr { expr, .. } => {
                // Where prints go, nobody reads.
                if is_print(expr) {
                    return Ok(());
                }
                if let syntax::Expr::AssignExpr {
                    op: syntax::AssignOp::ColEq,
                    lhs,
                    rhs,
                    ..
                } = expr.as_ref()
                {
                    let right = self.term(rhs)?;
                    let with = self.modifiers(statement)?;
                    let mut names = Vec::new();
                    pattern_names(lhs, &mut names);
                    check_assignable(lhs)?;
                    for name in &names {
                        self.declare(name, at)?;
                    }
                    let left = self.term(lhs)?;
                    let sort = Unify::Assign;
                    out.push(make(Kind::Unify { left, right, sort }, false, with));
                    return Ok(());
                }
                let kind = self.kind(expr)?;
                let with = self.modifiers(statement)?;
                out.push(make(kind, false, with));
            }
            syntax::Literal::NotExpr { expr, .. } => {
                if is_print(expr) {
                    return Ok(());
                }
                if matches!(
                    expr.as_ref(),
                    syntax::Expr::AssignExpr {
                        op: syntax::AssignOp::ColEq,
                        ..
                    }
                ) {
                    return Err((line_of(expr), "`:=` cannot be negated".to_owned()));
                }
                if self.unit.not_bodies && expr.span().text().starts_with('{') {
                    let advice =
                        "`not` with a body in braces is not available here; put the body into a rule and negate that";
                    return Err((line_of(expr), advice.to_owned()));
                }
                let kind = self.kind(expr)?;
                let with = self.modifiers(statement)?;
                out.push(if self.unit.not_bodies {
                    let body = vec![make(kind, false, Vec::new())];
                    make(Kind::Not(body), false, with)
                } else {
                    make(kind, true, with)
                });
            }
            syntax::Literal::Every {
                key,
                value,
                domain,
                query,
                ..
            } => {
                let domain = self.term(domain)?;
                let with = self.modifiers(statement)?;
                self.scopes.push(Scope::default());
                let place = |resolver: &mut Self, span: &syntax::Span| match span.text() {
                    "_" => Ok(resolver.fresh("_")),
                    name => resolver.declare(&SmolStr::new(name), at),
                };
                let key = key.as_ref().map(|key| place(self, key)).transpose()?;
                let value = place(self, value)?;
                self.enter(Some(query), &[]);
                let body = self.body(query)?;
                self.scopes.pop();
                self.scopes.pop();
                out.push(make(
                    Kind::Every {
                        key,
                        value,
                        domain,
                        body,
                    },
                    false,
                    with,
                ));
            }
        }
        Ok(())
    }

    pub(super) fn kind(&mut self, expr: &Node) -> Refused<Kind> {
        let unify = |resolver: &mut Self, lhs: &Node, rhs: &Node, sort| {
            let left = resolver.term(lhs)?;
            let right = resolver.term(rhs)?;
            Ok(Kind::Unify { left, right, sort })
        };
        match expr.as_ref() {
            syntax::Expr::AssignExpr {
                op: syntax::AssignOp::Eq,
                lhs,
                rhs,
                ..
            } => unify(self, lhs, rhs, Unify::Both),
            syntax::Expr::BoolExpr {
                op: syntax::BoolOp::Eq,
                lhs,
                rhs,
                ..
            } => unify(self, lhs, rhs, Unify::Compare),
            _ => Ok(match self.term(expr)? {
                Term::Call(call) => Kind::Call(*call),
                term => Kind::Term(term),
            }),
        }
    }

    pub(super) fn modifiers(&mut self, statement: &syntax::LiteralStmt) -> Refused<Vec<With>> {
        statement.with_mods.iter().map(|with| self.modifier(with)).collect()
    }

    pub(super) fn modifier(&mut self, with: &syntax::WithModifier) -> Refused<With> {
        let at = usize::try_from(with.span.line).unwrap_or(0);
        let path = constant_path(&with.refr)?;
        let (root, rest) = path.split_first().ok_or((at, "`with` needs a target".to_owned()))?;
        let target = match root.as_str() {
            "input" => Target::Input(rest.to_vec()),
            "data" => Target::Data(rest.to_vec()),
            name => match self.global(name) {
                Some((true, path)) => Target::Input([path, rest.to_vec()].concat()),
                Some((false, path)) => Target::Data([path, rest.to_vec()].concat()),
                None => {
                    if let Some(builtin) = builtins::find(&path.join(".")) {
                        Target::Builtin(builtin.name)
                    } else {
                        let advice = format!(
                            "`with {}`: only input, data and functions can be replaced",
                            path.join(".")
                        );
                        return Err((at, advice));
                    }
                }
            },
        };
        // A function may be replaced by a function, which is no value.
        let is_function = match &target {
            Target::Input(_) => false,
            Target::Data(path) => self.names.functions.contains_key(path),
            Target::Builtin(_) => true,
        };
        let function = is_function.then(|| self.function(&with.r#as)).flatten();
        let takes = match &target {
            Target::Input(_) => None,
            Target::Data(path) => self.names.functions.get(path).copied(),
            Target::Builtin(name) => builtins::find(name).map(|builtin| builtin.arity),
        };
        if let (Some(takes), Some(by)) = (takes, &function)
            && crate::rego::body::takes(by) != takes
        {
            let message = format!(
                "`with {}`: what takes its place takes another number of arguments",
                path.join(".")
            );
            return Err((at, message));
        }
        let value = match function {
            Some(_) => Term::Const(Value::Null),
            None => self.term(&with.r#as)?,
        };
        Ok(With {
            target,
            value,
            function,
        })
    }

    /// The function that a name means, when it means one.
    pub(super) fn function(&self, node: &Node) -> Option<Function> {
        if !matches!(
            node.as_ref(),
            syntax::Expr::Var { .. } | syntax::Expr::RefDot { .. } | syntax::Expr::RefBrack { .. }
        ) {
            return None;
        }
        let path = constant_path(node).ok()?;
        let (first, rest) = path.split_first()?;
        if self.scopes.iter().any(|scope| scope.declared.contains_key(first)) {
            return None;
        }
        let absolute = match self.global(first) {
            Some((false, path)) => [path, rest.to_vec()].concat(),
            Some((true, _)) => return None,
            None if first == "data" => rest.to_vec(),
            None => return builtins::find(&path.join(".")).map(Function::Builtin),
        };
        let takes = *self.names.functions.get(&absolute)?;
        Some(Function::Rule(absolute, takes))
    }
}
