//! What names mean: each becomes a variable, a document or a function. With `parse.rs` the only file that names the parser's
//! crate.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable as syntax;
use smol_str::SmolStr;

use super::ast::{
    Branch, Call, Comprehension, Expr, Function, Head, Kind, Ref, Rule, Shape, Target, Term, Unify, Var, With,
};
use super::builtins;
use super::number::Number;
use super::value::Value;

type Node = syntax::Ref<syntax::Expr>;
type Refused<T> = Result<T, (usize, String)>;

/// One parsed file.
pub(super) struct Unit {
    pub(super) module: syntax::Module,
    pub(super) file: usize,
    /// Below `data`.
    pub(super) package: Vec<SmolStr>,
    /// `not` negates all that is in it, also what is undefined: `import future.keywords.not`.
    not_bodies: bool,
    /// What `rego.metadata.rule()` and `.chain()` are, by the line of the rule.
    pub(super) metadata: BTreeMap<u32, (Value, Value)>,
}

/// All names of functions and rules of a set of modules.
#[derive(Default)]
pub(super) struct Names {
    /// By package: the first parts of the names of its rules.
    pub(super) rules: BTreeMap<Vec<SmolStr>, BTreeSet<SmolStr>>,
    /// Paths of functions.
    pub(super) functions: BTreeMap<Vec<SmolStr>, usize>,
}

impl Unit {
    pub(super) fn new(module: syntax::Module, file: usize) -> Refused<Self> {
        let package = constant_path(&module.package.refr)?;
        let imports = module
            .imports
            .iter()
            .filter_map(|import| constant_path(&import.refr).ok());
        let has_not = |path: Vec<SmolStr>| match path.iter().map(SmolStr::as_str).collect::<Vec<_>>()[..] {
            ["future", "keywords"] | ["rego", "v2"] => true,
            ["future", "keywords", keyword] => keyword == "not",
            _ => false,
        };
        let not_bodies = imports.into_iter().any(has_not);
        Ok(Self {
            module,
            file,
            package,
            not_bodies,
            metadata: BTreeMap::new(),
        })
    }

    /// The line and the name of each rule.
    pub(super) fn rule_lines(&self) -> Vec<(usize, SmolStr)> {
        let named = self.module.policy.iter().filter_map(|rule| {
            let (span, refr) = match rule.as_ref() {
                syntax::Rule::Spec { span, head, .. } => match head {
                    syntax::RuleHead::Func { refr, .. }
                    | syntax::RuleHead::Compr { refr, .. }
                    | syntax::RuleHead::Set { refr, .. } => (span, refr),
                },
                syntax::Rule::Default { span, refr, .. } => (span, refr),
            };
            let name = rule_path(refr).0.first()?.clone();
            Some((usize::try_from(span.line).unwrap_or(0), name))
        });
        named.collect()
    }

    /// Tells the names of this module.
    pub(super) fn declare(&self, names: &mut Names) -> Refused<()> {
        let package = names.rules.entry(self.package.clone()).or_default();
        for rule in &self.module.policy {
            let (refr, args) = match rule.as_ref() {
                syntax::Rule::Spec { head, .. } => match head {
                    syntax::RuleHead::Func { refr, args, .. } => (refr, Some(args.len())),
                    syntax::RuleHead::Compr { refr, .. } | syntax::RuleHead::Set { refr, .. } => (refr, None),
                },
                syntax::Rule::Default { refr, args, .. } => (refr, (!args.is_empty()).then_some(args.len())),
            };
            let (names_of, _) = rule_path(refr);
            if let Some(first) = names_of.first() {
                package.insert(first.clone());
            }
            if let Some(count) = args {
                let path = [self.package.clone(), names_of].concat();
                let other = names.functions.insert(path.clone(), count);
                if let Some(other) = other.filter(|other| *other != count) {
                    let message = format!(
                        "function {} takes {other} arguments elsewhere and {count} here",
                        path.join(".")
                    );
                    return Err((line_of(refr), message));
                }
            }
        }
        Ok(())
    }

    /// The rules, with every name resolved.
    pub(super) fn rules(&self, names: &Names) -> Result<Vec<Rule>, Vec<(usize, String)>> {
        let mut problems = Vec::new();
        let imports = self.imports().unwrap_or_else(|problem| {
            problems.push(problem);
            BTreeMap::new()
        });
        let mut rules = Vec::new();
        for rule in &self.module.policy {
            let resolver = Resolver {
                unit: self,
                names,
                imports: &imports,
                scopes: Vec::new(),
                vars: Vec::new(),
                rule_line: line(rule.span()),
            };
            match resolver.rule(rule) {
                Ok(more) => rules.extend(more),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }

    fn imports(&self) -> Refused<BTreeMap<SmolStr, (bool, Vec<SmolStr>)>> {
        let mut imports = BTreeMap::new();
        for import in &self.module.imports {
            let path = constant_path(&import.refr)?;
            let Some((root, rest)) = path.split_first() else {
                continue;
            };
            let is_input = match root.as_str() {
                "input" => true,
                "data" => false,
                "future" if matches!(path.get(2).map(SmolStr::as_str), Some("and" | "or")) => {
                    return Err((
                        usize::try_from(import.span.line).unwrap_or(0),
                        "the keywords `and` and `or` are not available here; write two rules, or one body".to_owned(),
                    ));
                }
                "rego" | "future" => continue,
                _ => {
                    let message = format!("import {} is neither below data nor below input", path.join("."));
                    return Err((usize::try_from(import.span.line).unwrap_or(0), message));
                }
            };
            let name = import.r#as.as_ref().map(|name| SmolStr::new(name.text()));
            let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
            imports.insert(name, (is_input, rest.to_vec()));
        }
        Ok(imports)
    }
}

fn line(span: &syntax::Span) -> u32 {
    span.line
}

fn line_of(node: &Node) -> usize {
    usize::try_from(node.span().line).unwrap_or(0)
}

fn field_text(node: &syntax::Expr) -> Option<SmolStr> {
    match node {
        syntax::Expr::String { value, .. } | syntax::Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| SmolStr::new(text.as_ref()))
        }
        _ => None,
    }
}

/// The names of a reference that is all names.
fn constant_path(node: &Node) -> Refused<Vec<SmolStr>> {
    let (path, rest) = rule_path(node);
    if rest.is_empty() {
        Ok(path)
    } else {
        Err((
            line_of(node),
            format!("{} has to be a path of names", node.span().text()),
        ))
    }
}

/// The leading names of a reference, and what follows them.
fn rule_path(node: &Node) -> (Vec<SmolStr>, Vec<Node>) {
    match node.as_ref() {
        syntax::Expr::Var { span, .. } => (vec![SmolStr::new(span.text())], Vec::new()),
        syntax::Expr::RefDot { refr, field, .. } => {
            let (mut path, mut rest) = rule_path(refr);
            if rest.is_empty() {
                path.push(SmolStr::new(field.0.text()));
            } else {
                rest.push(text_node(&field.0));
            }
            (path, rest)
        }
        syntax::Expr::RefBrack { refr, index, .. } => {
            let (mut path, mut rest) = rule_path(refr);
            match field_text(index) {
                Some(text) if rest.is_empty() => path.push(text),
                _ => rest.push(index.clone()),
            }
            (path, rest)
        }
        _ => (Vec::new(), vec![node.clone()]),
    }
}

fn text_node(span: &syntax::Span) -> Node {
    Node::new(syntax::Expr::String {
        span: span.clone(),
        value: regorus::Value::from(span.text()),
        eidx: 0,
    })
}

/// Names of one body and of what is closed over.
#[derive(Default)]
struct Scope {
    /// By `:=`, `some`, `every` or as an argument.
    declared: BTreeMap<SmolStr, Var>,
    /// Used without having been declared.
    seen: BTreeMap<SmolStr, Var>,
    /// Declared somewhere in this body: no document of that name is meant, wherever it stands.
    shadows: BTreeSet<SmolStr>,
}

struct Resolver<'a> {
    unit: &'a Unit,
    names: &'a Names,
    imports: &'a BTreeMap<SmolStr, (bool, Vec<SmolStr>)>,
    scopes: Vec<Scope>,
    vars: Vec<SmolStr>,
    rule_line: u32,
}

impl Resolver<'_> {
    fn fresh(&mut self, name: &str) -> Var {
        self.vars.push(SmolStr::new(name));
        self.vars.len() - 1
    }

    fn rule(mut self, rule: &syntax::Rule) -> Refused<Vec<Rule>> {
        match rule {
            syntax::Rule::Default {
                span,
                refr,
                args,
                value,
                ..
            } => {
                let (names, rest) = rule_path(refr);
                if !rest.is_empty() {
                    return Err((line_of(refr), "default rules have to have a path of names".to_owned()));
                }
                self.scopes.push(Scope::default());
                let args = args.iter().map(|_| Term::Var(self.fresh("_"))).collect::<Vec<_>>();
                let value = self.term(value)?;
                Ok(vec![Rule {
                    path: [self.unit.package.clone(), names].concat(),
                    shape: if args.is_empty() {
                        Shape::Complete
                    } else {
                        Shape::Function(args)
                    },
                    branches: vec![Branch {
                        value,
                        body: Vec::new(),
                        line: line(span),
                    }],
                    is_default: true,
                    vars: self.vars,
                    file: self.unit.file,
                    line: line(span),
                }])
            }
            syntax::Rule::Spec { span, head, bodies } => self.spec(line(span), head, bodies),
        }
    }

    fn spec(mut self, at: u32, head: &syntax::RuleHead, bodies: &[syntax::RuleBody]) -> Refused<Vec<Rule>> {
        let (refr, args, assign, member) = match head {
            syntax::RuleHead::Compr { refr, assign, .. } => (refr, None, assign.as_ref(), None),
            syntax::RuleHead::Set { refr, key, .. } => (refr, None, None, Some(key)),
            syntax::RuleHead::Func { refr, args, assign, .. } => (refr, Some(args), assign.as_ref(), None),
        };
        let (mut names, mut keys) = rule_path(refr);
        // `a.b { … }` without a value is a set that has "b".
        let mut member = member.cloned();
        if let Some(key @ None) = &mut member
            && let Some(last) = keys
                .pop()
                .or_else(|| names.pop().map(|name| constant_node(refr, &name)))
        {
            *key = Some(last);
        }
        let path = [self.unit.package.clone(), names].concat();

        // Independent bodies, each with its else chain.
        let mut chains: Vec<Vec<&syntax::RuleBody>> = Vec::new();
        for body in bodies {
            match chains.last_mut() {
                Some(chain) if body.is_else => chain.push(body),
                _ => chains.push(vec![body]),
            }
        }
        if chains.is_empty() {
            chains.push(Vec::new());
        }
        let mut rules = Vec::new();
        for chain in chains {
            self.scopes = vec![Scope::default()];
            self.vars = Vec::new();
            let args = args.map(|args| self.arguments(args)).transpose()?;
            let mut branches = Vec::new();
            let mut shape = None;
            for (place, body) in chain
                .iter()
                .copied()
                .map(Some)
                .chain(chain.is_empty().then_some(None))
                .enumerate()
            {
                let query = body.map(|body| &body.query);
                self.enter(query.map(AsRef::as_ref), &[]);
                let value = match (place, body) {
                    (0, _) => assign.map(|assign| &assign.value),
                    (_, body) => body.and_then(|body| body.assign.as_ref()).map(|assign| &assign.value),
                };
                // The head's own variables belong to the body.
                let heads: Vec<&Node> = value.into_iter().chain(member.iter().flatten()).chain(&keys).collect();
                self.see(&heads);
                let body = query.map(|query| self.body(query)).transpose()?.unwrap_or_default();
                let value = match (&member, value) {
                    (Some(Some(key)), _) => self.term(key)?,
                    (_, Some(value)) => self.term(value)?,
                    _ => Term::Const(Value::Bool(true)),
                };
                if shape.is_none() {
                    let keys = keys.iter().map(|key| self.term(key)).collect::<Refused<Vec<_>>>()?;
                    shape = Some(match (&args, &member) {
                        (Some(args), _) => Shape::Function(args.clone()),
                        (None, Some(_)) => Shape::Partial { keys, is_set: true },
                        (None, None) if keys.is_empty() => Shape::Complete,
                        (None, None) => Shape::Partial { keys, is_set: false },
                    });
                }
                self.scopes.pop();
                branches.push(Branch {
                    value,
                    body,
                    line: query.map_or(at, |query| line(&query.span)),
                });
            }
            let Some(shape) = shape else { continue };
            if matches!(shape, Shape::Partial { .. }) && branches.len() > 1 {
                return Err((
                    usize::try_from(at).unwrap_or(0),
                    "else cannot be used with partial rules".to_owned(),
                ));
            }
            rules.push(Rule {
                path: path.clone(),
                shape,
                branches,
                is_default: false,
                vars: std::mem::take(&mut self.vars),
                file: self.unit.file,
                line: at,
            });
        }
        Ok(rules)
    }

    fn arguments(&mut self, args: &[Node]) -> Refused<Vec<Term>> {
        let mut names = Vec::new();
        for arg in args {
            pattern_names(arg, &mut names);
        }
        for name in names {
            if matches!(name.as_str(), "input" | "data") {
                return Err((0, format!("the argument {name} would hide the document of that name")));
            }
            let var = self.fresh(&name);
            if let Some(scope) = self.scopes.last_mut() {
                scope.declared.entry(name).or_insert(var);
            }
        }
        args.iter().map(|arg| self.term(arg)).collect()
    }

    /// Opens the scope of a body, with what the body uses outside of closures.
    fn enter(&mut self, query: Option<&syntax::Query>, more: &[&Node]) {
        let mut scope = Scope::default();
        let mut nodes: Vec<&Node> = more.to_vec();
        for statement in query.map(|query| &query.stmts).into_iter().flatten() {
            declared_by(statement, &mut scope.shadows);
            match &statement.literal {
                syntax::Literal::SomeVars { .. } => {}
                syntax::Literal::SomeIn { collection, .. } => nodes.push(collection),
                syntax::Literal::Expr { expr, .. } | syntax::Literal::NotExpr { expr, .. } => nodes.push(expr),
                syntax::Literal::Every { domain, .. } => nodes.push(domain),
            }
            nodes.extend(
                statement
                    .with_mods
                    .iter()
                    .map(|with| &with.r#as)
                    .filter(|node| self.function(node).is_none()),
            );
        }
        self.scopes.push(scope);
        self.see(&nodes);
    }

    /// Gives the undeclared names of these nodes variables of the innermost scope, unless an outer one has them.
    fn see(&mut self, nodes: &[&Node]) {
        let mut used = Vec::new();
        for node in nodes {
            used_names(node, &mut used);
        }
        for name in used {
            let known = self
                .scopes
                .iter()
                .any(|scope| scope.declared.contains_key(&name) || scope.seen.contains_key(&name));
            let is_declared_here = self.scopes.last().is_some_and(|scope| scope.shadows.contains(&name));
            if known || is_declared_here || self.is_global(&name) {
                continue;
            }
            let var = self.fresh(&name);
            if let Some(scope) = self.scopes.last_mut() {
                scope.seen.insert(name, var);
            }
        }
    }

    fn is_global(&self, name: &str) -> bool {
        let hidden = self.scopes.iter().any(|scope| scope.shadows.contains(name));
        matches!(name, "input" | "data") || (!hidden && self.global(name).is_some())
    }

    fn global(&self, name: &str) -> Option<(bool, Vec<SmolStr>)> {
        if let Some(import) = self.imports.get(name) {
            return Some(import.clone());
        }
        let own = self.names.rules.get(&self.unit.package)?;
        own.contains(name).then(|| {
            let mut path = self.unit.package.clone();
            path.push(SmolStr::new(name));
            (false, path)
        })
    }

    fn body(&mut self, query: &syntax::Query) -> Refused<Vec<Expr>> {
        let mut out = Vec::new();
        for statement in &query.stmts {
            self.statement(statement, &mut out)?;
        }
        Ok(out)
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
    fn statement(&mut self, statement: &syntax::LiteralStmt, out: &mut Vec<Expr>) -> Refused<()> {
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

    fn kind(&mut self, expr: &Node) -> Refused<Kind> {
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

    fn modifiers(&mut self, statement: &syntax::LiteralStmt) -> Refused<Vec<With>> {
        statement.with_mods.iter().map(|with| self.modifier(with)).collect()
    }

    fn modifier(&mut self, with: &syntax::WithModifier) -> Refused<With> {
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
            && super::body::takes(by) != takes
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
    fn function(&self, node: &Node) -> Option<Function> {
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

    fn declare(&mut self, name: &SmolStr, at: u32) -> Refused<Var> {
        let var = self.fresh(name);
        let at = usize::try_from(at).unwrap_or(0);
        let is_argument = self.scopes.len() == 2 && self.scopes.first().is_some_and(|s| s.declared.contains_key(name));
        let Some(scope) = self.scopes.last_mut() else {
            return Ok(var);
        };
        if scope.seen.contains_key(name) {
            return Err((at, format!("var {name} is used before it is declared")));
        }
        if is_argument {
            return Err((at, format!("argument {name} is declared again")));
        }
        if scope.declared.insert(name.clone(), var).is_some() {
            return Err((at, format!("var {name} is declared twice")));
        }
        Ok(var)
    }

    /// What a name means where it stands.
    fn name(&mut self, name: &str) -> Term {
        if name == "_" {
            return Term::Var(self.fresh("_"));
        }
        for scope in self.scopes.iter().rev() {
            if let Some(var) = scope.declared.get(name).or_else(|| scope.seen.get(name)) {
                return Term::Var(*var);
            }
        }
        match name {
            "input" => return reference(Head::Input, Vec::new()),
            "data" => return reference(Head::Data, Vec::new()),
            _ => {}
        }
        let hidden = self.scopes.iter().any(|scope| scope.shadows.contains(name));
        if !hidden && let Some((is_input, path)) = self.global(name) {
            let head = if is_input { Head::Input } else { Head::Data };
            return reference(head, path.into_iter().map(text).collect());
        }
        let var = self.fresh(name);
        if let Some(scope) = self.scopes.last_mut() {
            scope.seen.insert(SmolStr::new(name), var);
        }
        Term::Var(var)
    }

    fn term(&mut self, node: &Node) -> Refused<Term> {
        use syntax::Expr as E;
        let at = line_of(node);
        Ok(match node.as_ref() {
            E::String { .. } | E::RawString { .. } => text(field_text(node).unwrap_or_default()),
            E::Number { span, .. } => Term::Const(number(span.text(), at)?),
            E::Bool { span, .. } => Term::Const(Value::Bool(span.text() == "true")),
            E::Null { .. } => Term::Const(Value::Null),
            E::Var { span, .. } => self.name(span.text()),
            E::Array { items, .. } => fold_array(self.terms(items)?),
            E::Set { items, .. } => fold_set(self.terms(items)?),
            E::Object { fields, .. } => {
                let fields = fields
                    .iter()
                    .map(|(_, key, value)| Ok((self.term(key)?, self.term(value)?)));
                fold_object(fields.collect::<Refused<Vec<_>>>()?)
            }
            E::ArrayCompr { term, query, .. } => {
                let (items, body) = self.closure(query, &[term])?;
                let item = single(items);
                Term::Comprehension(Box::new(Comprehension::Array { item, body }))
            }
            E::SetCompr { term, query, .. } => {
                let (items, body) = self.closure(query, &[term])?;
                let item = single(items);
                Term::Comprehension(Box::new(Comprehension::Set { item, body }))
            }
            E::ObjectCompr { key, value, query, .. } => {
                let (mut items, body) = self.closure(query, &[key, value])?;
                let value = items.pop().unwrap_or(Term::Const(Value::Null));
                let key = single(items);
                Term::Comprehension(Box::new(Comprehension::Object { key, value, body }))
            }
            E::Call { fcn, params, .. } => return self.call(fcn, params, at),
            E::UnaryExpr { expr, .. } => match self.term(expr)? {
                Term::Const(Value::Number(number)) => Term::Const(negative(&number)),
                other => builtin_call("minus", vec![Term::Const(Value::from(0_i64)), other], at)?,
            },
            E::RefDot { refr, field, .. } => self.step(refr, text(SmolStr::new(field.0.text())))?,
            E::RefBrack { refr, index, .. } => {
                let head = self.term(refr)?;
                let index = self.term(index)?;
                extend(head, index)
            }
            E::BinExpr { op, lhs, rhs, .. } => {
                let name = match op {
                    syntax::BinOp::Intersection => "and",
                    syntax::BinOp::Union => "or",
                };
                self.operator(name, lhs, rhs, at)?
            }
            E::BoolExpr { op, lhs, rhs, .. } => {
                let name = match op {
                    syntax::BoolOp::Lt => "lt",
                    syntax::BoolOp::Le => "lte",
                    syntax::BoolOp::Eq => "equal",
                    syntax::BoolOp::Ge => "gte",
                    syntax::BoolOp::Gt => "gt",
                    syntax::BoolOp::Ne => "neq",
                };
                self.operator(name, lhs, rhs, at)?
            }
            E::ArithExpr { op, lhs, rhs, .. } => {
                let name = match op {
                    syntax::ArithOp::Add => "plus",
                    syntax::ArithOp::Sub => "minus",
                    syntax::ArithOp::Mul => "mul",
                    syntax::ArithOp::Div => "div",
                    syntax::ArithOp::Mod => "rem",
                };
                self.operator(name, lhs, rhs, at)?
            }
            E::Membership {
                key, value, collection, ..
            } => {
                let mut args = Vec::new();
                let name = if key.is_some() {
                    "internal.member_3"
                } else {
                    "internal.member_2"
                };
                for part in key.iter().chain([value, collection]) {
                    args.push(self.term(part)?);
                }
                builtin_call(name, args, at)?
            }
            E::AssignExpr { .. } => return Err((at, "an assignment cannot be a part of an expression".to_owned())),
        })
    }

    fn terms(&mut self, nodes: &[Node]) -> Refused<Vec<Term>> {
        nodes.iter().map(|node| self.term(node)).collect()
    }

    fn step(&mut self, head: &Node, key: Term) -> Refused<Term> {
        Ok(extend(self.term(head)?, key))
    }

    fn operator(&mut self, name: &str, lhs: &Node, rhs: &Node, at: usize) -> Refused<Term> {
        let args = vec![self.term(lhs)?, self.term(rhs)?];
        builtin_call(name, args, at)
    }

    fn closure(&mut self, query: &syntax::Query, heads: &[&Node]) -> Refused<(Vec<Term>, Vec<Expr>)> {
        self.enter(Some(query), heads);
        let body = self.body(query)?;
        let heads = heads.iter().map(|head| self.term(head)).collect::<Refused<Vec<_>>>()?;
        self.scopes.pop();
        Ok((heads, body))
    }

    fn call(&mut self, function: &Node, params: &[Node], at: usize) -> Refused<Term> {
        let path = constant_path(function)?;
        let Some((first, rest)) = path.split_first() else {
            return Err((at, "a call needs a function".to_owned()));
        };
        if self.scopes.iter().any(|scope| scope.declared.contains_key(first)) {
            return Err((
                at,
                format!("function {} is hidden by the variable {first}", path.join(".")),
            ));
        }
        if let name @ ("rego.metadata.rule" | "rego.metadata.chain") = path.join(".").as_str() {
            let known = self.unit.metadata.get(&self.rule_line);
            let value = match (known, name) {
                (Some((rule, _)), "rego.metadata.rule") => rule.clone(),
                (Some((_, chain)), _) => chain.clone(),
                (None, "rego.metadata.rule") => Value::object(Vec::new()),
                (None, _) => Value::array(Vec::new()),
            };
            return Ok(Term::Const(value));
        }
        let absolute = match self.global(first) {
            Some((false, path)) => Some([path, rest.to_vec()].concat()),
            _ if first == "data" => Some(rest.to_vec()),
            _ => None,
        };
        let args = self.terms(params)?;
        let count = args.len();
        let wrong = |takes: usize| format!("function {} takes {takes} arguments and not {count}", path.join("."));
        if let Some(absolute) = absolute {
            let Some(takes) = self.names.functions.get(&absolute).copied() else {
                return Err((at, format!("there is no function {}", path.join("."))));
            };
            // One more is its result.
            if count != takes && count != takes + 1 {
                return Err((at, wrong(takes)));
            }
            let function = Function::Rule(absolute, takes);
            return Ok(Term::Call(Box::new(Call { function, args })));
        }
        let name = path.join(".");
        if name == "walk" {
            if count == 0 || count > 2 {
                return Err((at, wrong(1)));
            }
            let function = Function::Walk;
            return Ok(Term::Call(Box::new(Call { function, args })));
        }
        let Some(builtin) = builtins::find(&name) else {
            return Err((at, format!("function {name} is not available here")));
        };
        if count != builtin.arity && count != builtin.arity + 1 {
            return Err((at, wrong(builtin.arity)));
        }
        let function = Function::Builtin(builtin);
        Ok(Term::Call(Box::new(Call { function, args })))
    }
}

fn constant_node(near: &Node, name: &str) -> Node {
    Node::new(syntax::Expr::String {
        span: near.span().clone(),
        value: regorus::Value::from(name),
        eidx: 0,
    })
}

fn is_print(node: &Node) -> bool {
    matches!(node.as_ref(), syntax::Expr::Call { fcn, .. } if fcn.span().text() == "print")
}

fn text(name: SmolStr) -> Term {
    Term::Const(Value::String(name))
}

fn single(mut items: Vec<Term>) -> Term {
    items.pop().unwrap_or(Term::Const(Value::Null))
}

pub(super) fn reference(head: Head, path: Vec<Term>) -> Term {
    Term::Ref(Box::new(Ref { head, path }))
}

fn extend(head: Term, key: Term) -> Term {
    match head {
        Term::Ref(mut refr) => {
            refr.path.push(key);
            Term::Ref(refr)
        }
        Term::Var(var) => reference(Head::Var(var), vec![key]),
        other => reference(Head::Term(other), vec![key]),
    }
}

fn builtin_call(name: &str, args: Vec<Term>, at: usize) -> Refused<Term> {
    let builtin = builtins::find(name).ok_or_else(|| (at, format!("function {name} is not available here")))?;
    let function = Function::Builtin(builtin);
    Ok(Term::Call(Box::new(Call { function, args })))
}

fn number(written: &str, at: usize) -> Refused<Value> {
    let number = Number::parse(written).ok_or_else(|| (at, format!("{written} is no number")))?;
    Ok(Value::Number(number))
}

fn negative(number: &Number) -> Value {
    let written = number.to_string();
    let turned = written
        .strip_prefix('-')
        .map_or_else(|| format!("-{written}"), str::to_owned);
    Value::Number(Number::parse(&turned).unwrap_or(Number::Int(0)))
}

fn constants(terms: &[Term]) -> Option<Vec<Value>> {
    let constant = |term: &Term| match term {
        Term::Const(value) => Some(value.clone()),
        _ => None,
    };
    terms.iter().map(constant).collect()
}

fn fold_array(terms: Vec<Term>) -> Term {
    constants(&terms).map_or(Term::Array(terms), |values| Term::Const(Value::array(values)))
}

fn fold_set(terms: Vec<Term>) -> Term {
    constants(&terms).map_or(Term::Set(terms), |values| Term::Const(Value::set(values)))
}

/// Whether two keys are written alike: then they are one key, whatever they are.
fn is_same_key(a: &Term, b: &Term) -> bool {
    let all = |a: &[Term], b: &[Term]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_key(a, b));
    match (a, b) {
        (Term::Const(a), Term::Const(b)) => a == b,
        (Term::Var(a), Term::Var(b)) => a == b,
        (Term::Array(a), Term::Array(b)) | (Term::Set(a), Term::Set(b)) => all(a, b),
        (Term::Ref(a), Term::Ref(b)) => {
            let same_head = match (&a.head, &b.head) {
                (Head::Input, Head::Input) | (Head::Data, Head::Data) => true,
                (Head::Var(a), Head::Var(b)) => a == b,
                (Head::Term(a), Head::Term(b)) => is_same_key(a, b),
                _ => false,
            };
            same_head && all(&a.path, &b.path)
        }
        (Term::Call(a), Term::Call(b)) => {
            let same_function = match (&a.function, &b.function) {
                (Function::Builtin(a), Function::Builtin(b)) => a.name == b.name,
                (Function::Rule(a, _), Function::Rule(b, _)) => a == b,
                _ => false,
            };
            same_function && all(&a.args, &b.args)
        }
        _ => false,
    }
}

fn fold_object(written: Vec<(Term, Term)>) -> Term {
    // Of equal keys the last value stays, and the others are not even evaluated.
    let mut fields: Vec<(Term, Term)> = Vec::with_capacity(written.len());
    for (key, value) in written {
        let same = |other: &&mut (Term, Term)| is_same_key(&other.0, &key);
        match fields.iter_mut().find(same) {
            Some(other) => other.1 = value,
            None => fields.push((key, value)),
        }
    }
    let values: Option<Vec<(Value, Value)>> = fields
        .iter()
        .map(|(key, value)| match (key, value) {
            (Term::Const(key), Term::Const(value)) => Some((key.clone(), value.clone())),
            _ => None,
        })
        .collect();
    values.map_or(Term::Object(fields), |values| Term::Const(Value::object(values)))
}

/// What may stand to the left of `:=`: names, and lists and objects of names.
fn check_assignable(node: &Node) -> Refused<()> {
    use syntax::Expr as E;
    match node.as_ref() {
        E::Var { .. } => Ok(()),
        E::Array { items, .. } => items.iter().try_for_each(check_assignable_part),
        E::Object { fields, .. } => fields.iter().try_for_each(|(_, _, value)| check_assignable_part(value)),
        _ => Err((line_of(node), format!("cannot assign to {}", node.span().text()))),
    }
}

fn check_assignable_part(node: &Node) -> Refused<()> {
    use syntax::Expr as E;
    match node.as_ref() {
        E::String { .. } | E::RawString { .. } | E::Number { .. } | E::Bool { .. } | E::Null { .. } => {
            Err((line_of(node), format!("cannot assign to {}", node.span().text())))
        }
        _ => check_assignable(node),
    }
}

/// The names in a pattern that get values: not keys of objects, and nothing below a call or a reference.
fn pattern_names(node: &Node, names: &mut Vec<SmolStr>) {
    use syntax::Expr as E;
    match node.as_ref() {
        E::Var { span, .. } if span.text() != "_" => names.push(SmolStr::new(span.text())),
        E::Array { items, .. } => items.iter().for_each(|item| pattern_names(item, names)),
        E::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| pattern_names(value, names)),
        _ => {}
    }
}

/// The names that a statement declares in its body.
fn declared_by(statement: &syntax::LiteralStmt, names: &mut BTreeSet<SmolStr>) {
    let mut found = Vec::new();
    match &statement.literal {
        syntax::Literal::SomeVars { vars, .. } => names.extend(vars.iter().map(|var| SmolStr::new(var.text()))),
        syntax::Literal::SomeIn { key, value, .. } => {
            for pattern in key.iter().chain([value]) {
                pattern_names(pattern, &mut found);
            }
        }
        syntax::Literal::Expr { expr, .. } => {
            if let syntax::Expr::AssignExpr {
                op: syntax::AssignOp::ColEq,
                lhs,
                ..
            } = expr.as_ref()
            {
                pattern_names(lhs, &mut found);
            }
        }
        _ => {}
    }
    names.extend(found);
}

/// The names used in a node outside of closures, without those of functions.
fn used_names(node: &Node, names: &mut Vec<SmolStr>) {
    use syntax::Expr as E;
    match node.as_ref() {
        E::Var { span, .. } if span.text() != "_" => {
            names.push(SmolStr::new(span.text()));
        }
        E::Array { items, .. } | E::Set { items, .. } => items.iter().for_each(|item| used_names(item, names)),
        E::Object { fields, .. } => {
            for (_, key, value) in fields {
                used_names(key, names);
                used_names(value, names);
            }
        }
        E::Call { params, .. } => params.iter().for_each(|param| used_names(param, names)),
        E::UnaryExpr { expr, .. } => used_names(expr, names),
        E::RefDot { refr, .. } => used_names(refr, names),
        E::RefBrack { refr, index, .. } => {
            used_names(refr, names);
            used_names(index, names);
        }
        E::BinExpr { lhs, rhs, .. }
        | E::BoolExpr { lhs, rhs, .. }
        | E::ArithExpr { lhs, rhs, .. }
        | E::AssignExpr { lhs, rhs, .. } => {
            used_names(lhs, names);
            used_names(rhs, names);
        }
        E::Membership {
            key, value, collection, ..
        } => {
            for part in key.iter().chain([value, collection]) {
                used_names(part, names);
            }
        }
        _ => {}
    }
}
