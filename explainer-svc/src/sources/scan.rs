//! What a module of Rego says at a glance: its package, its rules, what it reads of `input` and of `data`.
//!
//! A light look that never fails, made before anything is compiled. It decides how a policy is to be called, never what
//! it says.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{Placed, Token, tokens};

/// The two Regos: before and since OPA 1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// `deny[msg] { … }`.
    V0,
    /// `deny contains msg if { … }`.
    V1,
}

/// What is known of the rules of one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// `name contains x`.
    pub(super) contains: bool,
    /// `name[x]` without a value: a set in the older Rego.
    pub(super) bracket: bool,
    /// `name(x)`.
    pub(super) function: bool,
}

/// What one module says, or all modules of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Its parts, without `data`. Empty when there is none.
    pub(super) package: Vec<String>,
    pub(super) rules: BTreeMap<String, Shape>,
    /// The first member of what is read of `input`; `""` when `input` is used as a whole.
    pub(super) reads: BTreeSet<String>,
    /// What is read of `data`, as far as it is plain.
    pub(super) uses: BTreeSet<Vec<String>>,
    /// Whether it has METADATA.
    pub(super) metadata: bool,
    /// The line of something that only the older Rego has.
    pub(super) old: Option<usize>,
    /// It asks for the newer Rego itself.
    pub(super) imports_v1: bool,
    /// It asks for words of the newer Rego within the older one.
    pub(super) imports_future: bool,
}

impl Scan {
    /// Looks at a module.
    pub(super) fn of(text: &str) -> Self {
        let tokens = tokens(text);
        let mut scan = Self {
            metadata: tokens.metadata,
            ..Self::default()
        };
        for index in 0..tokens.list.len() {
            let rest = tokens.list.get(index..).unwrap_or_default();
            let before = tokens.list.get(..index).unwrap_or_default();
            scan.look(before, rest);
        }
        scan
    }

    /// The Rego that it is written in, and why.
    pub(super) fn dialect(&self) -> (Dialect, String) {
        match (self.imports_v1, self.old) {
            (true, _) => (Dialect::V1, "it imports rego.v1".to_owned()),
            (false, Some(line)) => (Dialect::V0, format!("line {line} has a rule in the older form")),
            (false, None) => (Dialect::V1, "nothing in it is older".to_owned()),
        }
    }

    /// Adds another module of the same package.
    pub(super) fn merge(&mut self, other: &Self) {
        for (name, shape) in &other.rules {
            let ours = self.rules.entry(name.clone()).or_default();
            ours.contains |= shape.contains;
            ours.bracket |= shape.bracket;
            ours.function |= shape.function;
        }
        self.reads.extend(other.reads.iter().cloned());
        self.uses.extend(other.uses.iter().cloned());
        self.metadata |= other.metadata;
    }

    fn look(&mut self, all_before: &[Placed], rest: &[Placed]) {
        let Some(Placed {
            token: Token::Name(name),
            ..
        }) = rest.first()
        else {
            return;
        };
        let before = all_before.last();
        let after_dot = is_sign(before, ".");
        let replaced = is_name(before, "with");
        match name.as_str() {
            "input" if !after_dot && !replaced => self.input(rest),
            "data" if !after_dot && !replaced => {
                self.uses.insert(reference(rest.get(1..).unwrap_or_default()).0);
            }
            "object" if !after_dot => self.object_get(rest),
            "rego" if is_name(before, "import") && reference(rest.get(1..).unwrap_or_default()).0 == ["v1"] => {
                self.imports_v1 = true;
            }
            "future" if is_name(before, "import") => self.imports_future = true,
            _ => {}
        }
        if let ("else", Some(Placed { depth: 0, line, .. })) = (name.as_str(), rest.first())
            && has_bare_body(rest.get(1..).unwrap_or_default(), is_assignment(rest.get(1)))
        {
            self.old = self.old.or(Some(*line));
        }
        if begins_statement(all_before, rest) {
            match name.as_str() {
                "package" => self.package(rest),
                "import" => {}
                "default" => self.rule(rest.get(1..).unwrap_or_default(), true),
                _ => self.rule(rest, false),
            }
        }
    }

    fn package(&mut self, rest: &[Placed]) {
        if let Some(Placed {
            token: Token::Name(first),
            ..
        }) = rest.get(1)
        {
            let mut path = vec![first.clone()];
            path.extend(reference(rest.get(2..).unwrap_or_default()).0);
            self.package = path;
        }
    }

    fn input(&mut self, rest: &[Placed]) {
        let (path, _) = reference(rest.get(1..).unwrap_or_default());
        self.reads.insert(path.into_iter().next().unwrap_or_default());
    }

    /// `object.get(input, "a", …)` and `object.get(input, ["a", …], …)` read `input.a`, and not all of it.
    fn object_get(&mut self, rest: &[Placed]) {
        let signs: Vec<&Token> = rest.iter().take(8).map(|placed| &placed.token).collect();
        let name = |text: &str| Token::Name(text.to_owned());
        let head = [
            name("object"),
            Token::Sign("."),
            name("get"),
            Token::Sign("("),
            name("input"),
            Token::Sign(","),
        ];
        if signs.len() > head.len() && signs.iter().zip(&head).all(|(ours, theirs)| *ours == theirs) {
            match (signs.get(6), signs.get(7)) {
                (Some(Token::Text(key)), _) | (Some(Token::Sign("[")), Some(Token::Text(key))) => {
                    self.reads.insert(key.clone());
                }
                _ => {}
            }
        }
    }

    /// A rule's head. `rest` begins with its name.
    fn rule(&mut self, rest: &[Placed], default: bool) {
        let Some(Placed {
            token: Token::Name(name),
            line,
            ..
        }) = rest.first()
        else {
            return;
        };
        let mut shape = Shape::default();
        let (mut at, bracket) = head(rest);
        if is_sign(rest.get(at), "(") {
            shape.function = true;
            at = closing(rest, at) + 1;
        }
        shape.contains = is_name(rest.get(at), "contains");
        let valued = is_assignment(rest.get(at));
        shape.bracket = bracket && !valued && !shape.contains;
        // `name[x] if …` is a set in the older Rego and a map in the newer one.
        let newer = is_name(rest.get(at), "if") && !self.imports_future;
        let bare = has_bare_body(rest.get(at..).unwrap_or_default(), shape.contains || valued);
        if !default && (bare || (shape.bracket && !newer)) && self.old.is_none() {
            self.old = Some(*line);
        }
        let ours = self.rules.entry(name.clone()).or_default();
        ours.contains |= shape.contains;
        ours.bracket |= shape.bracket;
        ours.function |= shape.function;
    }
}

/// Whether a rule, a package or an import begins here.
fn begins_statement(before: &[Placed], rest: &[Placed]) -> bool {
    const GOES_ON: [&str; 12] = [
        "if", "else", "contains", "in", "not", "some", "every", "default", "import", "package", "with", "as",
    ];
    let Some(
        here @ Placed {
            token: Token::Name(name),
            depth: 0,
            ..
        },
    ) = rest.first()
    else {
        return false;
    };
    if GOES_ON.contains(&name.as_str()) && !matches!(name.as_str(), "default" | "import" | "package") {
        return false;
    }
    let [further @ .., before] = before else { return true };
    match &before.token {
        // `import future.keywords.if` ends with a name, not with a keyword.
        Token::Name(word) => here.first && (is_sign(further.last(), ".") || !GOES_ON.contains(&word.as_str())),
        Token::Text(_) | Token::Number | Token::Sign("]" | ")") => here.first,
        Token::Sign("}" | ";") => before.depth == 0,
        Token::Sign(_) => false,
    }
}

/// The plain part of a reference: `.name` and `["name"]`, as often as they follow. Also how many tokens they are.
fn reference(rest: &[Placed]) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut at = 0;
    loop {
        match (rest.get(at), rest.get(at + 1), rest.get(at + 2)) {
            (
                Some(dot),
                Some(Placed {
                    token: Token::Name(name),
                    ..
                }),
                _,
            ) if is_sign(Some(dot), ".") => {
                path.push(name.clone());
                at += 2;
            }
            (
                Some(open),
                Some(Placed {
                    token: Token::Text(key),
                    ..
                }),
                close,
            ) if is_sign(Some(open), "[") && !open.first && is_sign(close, "]") => {
                path.push(key.clone());
                at += 3;
            }
            _ => return (path, at),
        }
    }
}

/// The index after a rule's name with all of `.name` and `[…]`, and whether it ends with a bracket.
fn head(rest: &[Placed]) -> (usize, bool) {
    let mut at = 1;
    let mut bracket = false;
    loop {
        if is_sign(rest.get(at), ".") {
            at += 2;
            bracket = false;
        } else if is_sign(rest.get(at), "[") {
            at = closing(rest, at) + 1;
            bracket = true;
        } else {
            return (at, bracket);
        }
    }
}

/// The index of the bracket that closes the one at `at`.
fn closing(rest: &[Placed], at: usize) -> usize {
    let depth = rest.get(at).map_or(0, |open| open.depth);
    let closes = |placed: &Placed| placed.depth == depth && matches!(placed.token, Token::Sign("]" | ")" | "}"));
    let inside = rest.iter().skip(at + 1);
    inside.take_while(|placed| !closes(placed)).count() + at + 1
}

/// Whether a body follows that no `if` begins. `rest` begins after the head; `term` when a term comes before the body.
fn has_bare_body(rest: &[Placed], term: bool) -> bool {
    let start = usize::from(term);
    let mut before: Option<&Placed> = None;
    for (index, placed) in rest.iter().enumerate() {
        let new_line = placed.first && index > start && before.is_some_and(ends_term);
        if placed.depth > 0 || (new_line && !is_sign(Some(placed), "{")) {
            if placed.depth > 0 {
                before = Some(placed);
                continue;
            }
            return false;
        }
        if is_name(Some(placed), "if") {
            return false;
        }
        if is_sign(Some(placed), "{") && index >= start && (index == 0 || before.is_some_and(ends_term)) {
            return true;
        }
        if index == 0 && !term {
            return false;
        }
        before = Some(placed);
    }
    false
}

/// Whether a term may end with this token.
fn ends_term(placed: &Placed) -> bool {
    match &placed.token {
        Token::Name(name) => !matches!(name.as_str(), "contains" | "in" | "if" | "not"),
        Token::Text(_) | Token::Number => true,
        Token::Sign(sign) => matches!(*sign, "]" | ")" | "}"),
    }
}

fn is_assignment(placed: Option<&Placed>) -> bool {
    is_sign(placed, ":=") || is_sign(placed, "=")
}

fn is_sign(placed: Option<&Placed>, sign: &str) -> bool {
    matches!(placed, Some(Placed { token: Token::Sign(found), .. }) if *found == sign)
}

fn is_name(placed: Option<&Placed>, name: &str) -> bool {
    matches!(placed, Some(Placed { token: Token::Name(found), .. }) if found == name)
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
