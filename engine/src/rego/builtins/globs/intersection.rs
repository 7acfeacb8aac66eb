//! `regex.globs_match`: whether some text matches both of two globs, as yashtewari/glob-intersection decides it.
//!
//! These globs are little expressions: characters, `.`, sets in brackets, each with `*` or `+`.

use std::rc::Rc;

use super::super::operands::{text, units};
use super::super::{Fault, Host};
use crate::rego::value::Value;

pub(super) fn run(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (left, right) = (text(args, 0)?, text(args, 1)?);
    host.spend(units(left.len() * 16) + units(right.len() * 16))?;
    let (left, right) = (parse(left)?, parse(right)?);
    let Some((left, right)) = trim(&left, &right) else {
        return Ok(Value::Bool(false));
    };
    Search { host }.plain(left, right, 0).map(Value::Bool)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    None,
    Plus,
    Star,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Character(char),
    Any,
    /// Ranges, sorted; they do not touch each other.
    Set(Rc<[(char, char)]>),
}

#[derive(Clone)]
struct Token {
    kind: Kind,
    flag: Flag,
}

impl Token {
    /// Whether some character is in both.
    fn meets(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Any, _) | (_, Kind::Any) => true,
            (Kind::Character(a), Kind::Character(b)) => a == b,
            (Kind::Character(c), Kind::Set(set)) | (Kind::Set(set), Kind::Character(c)) => {
                set.iter().any(|range| (range.0..=range.1).contains(c))
            }
            (Kind::Set(a), Kind::Set(b)) => a.iter().any(|x| b.iter().any(|y| x.0 <= y.1 && y.0 <= x.1)),
        }
    }
}

/// A character, and whether it was escaped.
fn character(rest: &mut &[char]) -> Result<Option<(char, bool)>, Fault> {
    let (c, escaped, after) = match *rest {
        [] => return Ok(None),
        ['\\', c, after @ ..] => (*c, true, after),
        ['\\'] => return Err(Fault::new("input ends with an escape character")),
        [c, after @ ..] => (*c, false, after),
    };
    *rest = after;
    Ok(Some((c, escaped)))
}

fn parse(glob: &str) -> Result<Vec<Token>, Fault> {
    let chars: Vec<char> = glob.chars().collect();
    let mut rest = chars.as_slice();
    let mut tokens: Vec<Token> = Vec::new();
    while let Some((c, escaped)) = character(&mut rest)? {
        let kind = match c {
            _ if escaped => Kind::Character(c),
            '.' => Kind::Any,
            '[' => Kind::Set(set(&mut rest)?),
            ']' | '+' | '*' => return Err(Fault::new(format!("unexpected {c}"))),
            _ => Kind::Character(c),
        };
        let mut after = rest;
        let flag = match character(&mut after)? {
            Some(('+', false)) => Flag::Plus,
            Some(('*', false)) => Flag::Star,
            _ => Flag::None,
        };
        if flag != Flag::None {
            rest = after;
        }
        match tokens.last_mut() {
            // `t+t*` is `t+`.
            Some(last) if flag != Flag::None && last.flag != Flag::None && last.kind == kind => {
                if flag == Flag::Plus {
                    last.flag = Flag::Plus;
                }
            }
            _ => tokens.push(Token { kind, flag }),
        }
    }
    Ok(tokens)
}

/// What is between brackets.
fn set(rest: &mut &[char]) -> Result<Rc<[(char, char)]>, Fault> {
    let unclosed = || Fault::new("found [ without matching ]");
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut previous = None;
    loop {
        match character(rest)?.ok_or_else(unclosed)? {
            (']', false) => break,
            ('-', false) => {
                let first = previous.take().ok_or_else(|| Fault::new("a range has no start"))?;
                if rest.len() < 2 {
                    return Err(Fault::new("a range has no end"));
                }
                let (last, escaped) = character(rest)?.ok_or_else(unclosed)?;
                if (!escaped && matches!(last, ']' | '-')) || last < first {
                    return Err(Fault::new("a range has no end"));
                }
                ranges.push((first, last));
            }
            (c, _) => {
                ranges.push((c, c));
                previous = Some(c);
            }
        }
    }
    ranges.sort_unstable();
    let mut merged: Vec<(char, char)> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if u32::from(range.0) <= u32::from(last.1) + 1 => last.1 = last.1.max(range.1),
            _ => merged.push(range),
        }
    }
    Ok(merged.into())
}

/// Cuts off beginnings and ends that are the same in both, but for one token. None: they differ there.
fn trim<'a>(left: &'a [Token], right: &'a [Token]) -> Option<(&'a [Token], &'a [Token])> {
    let plain = |(a, b): &(&Token, &Token)| a.flag == Flag::None && b.flag == Flag::None;
    let same = |(a, b): (&Token, &Token)| a.meets(b);
    let start = left.iter().zip(right).take_while(plain).count();
    if !left.iter().zip(right).take(start).all(same) {
        return None;
    }
    let start = start.saturating_sub(1);
    let (left, right) = (left.get(start..)?, right.get(start..)?);
    let end = left.iter().rev().zip(right.iter().rev()).take_while(plain).count();
    if !left.iter().rev().zip(right.iter().rev()).take(end).all(same) {
        return None;
    }
    let end = end.saturating_sub(1);
    Some((left.get(..left.len() - end)?, right.get(..right.len() - end)?))
}

/// Tries all ways, each of which costs.
struct Search<'a> {
    host: &'a mut Host,
}

/// Calls in calls. Patterns with more repetitions than this are refused.
const DEPTH: usize = 500;

impl Search<'_> {
    fn plain(&mut self, left: &[Token], right: &[Token], depth: usize) -> Result<bool, Fault> {
        self.host.spend(1)?;
        if depth > DEPTH {
            return Err(Fault::new("too many repetitions"));
        }
        for (place, (a, b)) in left.iter().zip(right).enumerate() {
            let (left, right) = (
                left.get(place..).unwrap_or_default(),
                right.get(place..).unwrap_or_default(),
            );
            match (a.flag, b.flag) {
                (Flag::None, Flag::None) if a.meets(b) => {}
                (Flag::None, Flag::None) => return Ok(false),
                (Flag::Plus, _) => return self.plus(left, right, depth + 1),
                (Flag::Star, _) => return self.star(left, right, depth + 1),
                (Flag::None, Flag::Plus) => return self.plus(right, left, depth + 1),
                (Flag::None, Flag::Star) => return self.star(right, left, depth + 1),
            }
        }
        Ok(left.len() == right.len())
    }

    fn plus(&mut self, plus: &[Token], other: &[Token], depth: usize) -> Result<bool, Fault> {
        let ([token, rest @ ..], [first, after @ ..]) = (plus, other) else {
            return Ok(false);
        };
        if !token.meets(first) {
            return Ok(false);
        }
        if self.star(plus, after, depth)? {
            return Ok(true);
        }
        // A repeated token of the other side may swallow this one whole.
        Ok(first.flag != Flag::None && self.plain(rest, other, depth)?)
    }

    fn star(&mut self, star: &[Token], other: &[Token], depth: usize) -> Result<bool, Fault> {
        let [token, rest @ ..] = star else { return Ok(false) };
        let next = rest.first();
        for (place, candidate) in other.iter().enumerate() {
            let goes_on = next.is_some_and(|next| candidate.meets(next));
            if goes_on && self.plain(rest, other.get(place..).unwrap_or_default(), depth)? {
                return Ok(true);
            }
            if !candidate.meets(token) {
                return Ok(false);
            }
        }
        Ok(next.is_none())
    }
}
