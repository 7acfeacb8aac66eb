//! What names mean: each becomes a variable, a document or a function. With `parse.rs` the only file that names the parser's
//! crate.

mod make;
mod names;
mod statements;
mod terms;

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable as syntax;
use smol_str::SmolStr;

use self::make::{reference, text};
use self::names::{constant_node, constant_path, declared_by, line, line_of, pattern_names, rule_path, used_names};
use super::ast::{Branch, Expr, Head, Rule, Shape, Term, Var};
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
}
