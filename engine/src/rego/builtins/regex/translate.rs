//! Go's expressions in the syntax of Rust's.
//!
//! Both are RE2's children and match alike; they differ in what they read. Everything that could be read differently is written
//! out: flags stand at each atom, characters as their numbers, classes as their members. What Go refuses is refused.

use std::fmt::Write;

use regex::{Captures, Match};

use super::items::{BAD_CLASS, class_char, counts, escape, named, posix, write_char, write_range};

/// Why Go would refuse it. Nobody sees it yet but the tests.
pub(super) type Refused = &'static str;

const BAD_REPEAT: Refused = "invalid repeat count";
const BAD_GROUP: Refused = "invalid group";
/// Matches nothing.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";
/// Groups in groups. Go allows 1,000; compiling is recursive, and the stack of a filter is small.
const DEPTH: usize = 200;

/// The same expression for the `regex` crate.
pub(super) fn translate(pattern: &str) -> Result<String, Refused> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len() * 2),
        flags: Flags::default(),
        groups: Vec::new(),
        captures: 0,
        atom: None,
        copies: 1,
        repeated: false,
    };
    while let Some(c) = translator.next() {
        let repeated = std::mem::take(&mut translator.repeated);
        translator.step(c, repeated)?;
    }
    if translator.groups.is_empty() {
        Ok(translator.out)
    } else {
        Err("missing closing )")
    }
}

/// The first group of a name that took part in a match. Go allows several groups of one name.
pub(super) fn groups_of<'a>(name: &str, captures: &Captures<'a>) -> Option<Match<'a>> {
    // Found by the numbers: a `Captures` does not tell its names.
    (1..captures.len()).find_map(|number| captures.name(&group_name(number, name)))
}

/// Unique, and allowed in Rust, where names may not begin with a digit.
fn group_name(number: usize, name: &str) -> String {
    format!("g{number}_{name}")
}

#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of Go's flags")]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_all: bool,
    lazy: bool,
}

/// A group that is not closed yet, with what was before it.
struct Group {
    flags: Flags,
    copies: u32,
    start: usize,
}

/// What a repetition would repeat.
#[derive(Clone, Copy)]
struct Atom {
    /// Where it begins in the output.
    start: usize,
    /// How often the repetitions in it copy their innermost part.
    copies: u32,
    repeated: bool,
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    captures: usize,
    atom: Option<Atom>,
    /// Of everything before the atom in its group.
    copies: u32,
    /// Whether a repetition was just read: `a**` is refused.
    repeated: bool,
}

impl<'a> Translator<'a> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The text before a mark, and goes on behind it.
    fn until(&mut self, mark: &str) -> Option<&'a str> {
        let (before, rest) = self.rest.split_once(mark)?;
        self.rest = rest;
        Some(before)
    }

    fn step(&mut self, c: char, repeated: bool) -> Result<(), Refused> {
        match c {
            '(' => return self.open(),
            ')' => return self.close(),
            '|' => {
                self.settle();
                self.out.push('|');
            }
            '^' => self.atom(if self.flags.multi_line { "(?m:^)" } else { r"\A" }),
            '$' => self.atom(if self.flags.multi_line { "(?m:$)" } else { r"\z" }),
            '.' => self.atom(if self.flags.dot_all { "(?s:.)" } else { r"[^\n]" }),
            '[' => return self.class(),
            '*' => return self.repeat(0, None, repeated),
            '+' => return self.repeat(1, None, repeated),
            '?' => return self.repeat(0, Some(1), repeated),
            '{' => match counts(self.rest) {
                Some((least, most, rest)) => {
                    self.rest = rest;
                    let (least, most) = (
                        least.ok_or(BAD_REPEAT)?,
                        most.map(|most| most.ok_or(BAD_REPEAT)).transpose()?,
                    );
                    if least > 1_000 || most.is_some_and(|most| most > 1_000 || most < least) {
                        return Err(BAD_REPEAT);
                    }
                    return self.repeat(least, most, repeated);
                }
                None => self.literal('{'),
            },
            '\\' => return self.escaped(),
            _ => self.literal(c),
        }
        Ok(())
    }

    /// Nothing can repeat what was before any more.
    fn settle(&mut self) {
        if let Some(atom) = self.atom.take() {
            self.copies = self.copies.max(atom.copies);
        }
    }

    fn atom(&mut self, text: &str) {
        self.settle();
        self.atom = Some(Atom {
            start: self.out.len(),
            copies: 1,
            repeated: false,
        });
        self.out.push_str(text);
    }

    fn literal(&mut self, c: char) {
        let mut text = String::new();
        write_char(&mut text, c);
        if self.flags.fold_case && (c.is_ascii_alphabetic() || !c.is_ascii()) {
            text = format!("(?i:{text})");
        }
        self.atom(&text);
    }

    fn repeat(&mut self, least: u32, most: Option<u32>, repeated: bool) -> Result<(), Refused> {
        let lazy = self.eat("?") != self.flags.lazy;
        if repeated {
            return Err("invalid nested repetition operator");
        }
        let Some(atom) = &mut self.atom else {
            return Err("missing argument to repetition operator");
        };
        // `x*(?i)*` and `x*\Q\E?` get here.
        if atom.repeated {
            self.out.insert_str(atom.start, "(?:");
            self.out.push(')');
        }
        atom.repeated = true;
        let written = match (least, most) {
            // Rust would forget the groups in it.
            (0, Some(0)) => {
                self.out.insert_str(atom.start, &format!("(?:{NOTHING}"));
                self.out.push(')');
                "?"
            }
            (0, None) => "*",
            (1, None) => "+",
            (0, Some(1)) => "?",
            (least, most) => {
                let counted = match most {
                    Some(most) => write!(self.out, "{{{least},{most}}}"),
                    None => write!(self.out, "{{{least},}}"),
                };
                counted.map_err(|_| BAD_REPEAT)?;
                ""
            }
        };
        self.out.push_str(written);
        if lazy {
            self.out.push('?');
        }
        if most == Some(0) {
            atom.copies = 1;
        } else {
            atom.copies = atom.copies.saturating_mul(most.unwrap_or(least).max(1));
        }
        if (least >= 2 || most.is_some_and(|most| most >= 2)) && atom.copies > 1_000 {
            return Err(BAD_REPEAT);
        }
        self.repeated = true;
        Ok(())
    }

    fn open(&mut self) -> Result<(), Refused> {
        if !self.rest.starts_with('?') {
            self.captures += 1;
            return self.group("(");
        }
        let named = self.rest.starts_with("?P<") && self.rest.len() > 3;
        if named || (self.rest.starts_with("?<") && self.rest.len() > 2) {
            self.rest = self.rest.get(if named { 3 } else { 2 }..).unwrap_or_default();
            let name = self.until(">").ok_or("invalid named capture")?;
            if name.is_empty() || !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
                return Err("invalid named capture");
            }
            self.captures += 1;
            return self.group(&format!("(?P<{}>", group_name(self.captures, name)));
        }
        self.next();
        self.inline_flags()
    }

    /// `(?i)`, `(?i-s:` and the like.
    fn inline_flags(&mut self) -> Result<(), Refused> {
        let (mut flags, mut on, mut any) = (self.flags, true, false);
        while let Some(c) = self.next() {
            let flag = match c {
                'i' => &mut flags.fold_case,
                'm' => &mut flags.multi_line,
                's' => &mut flags.dot_all,
                'U' => &mut flags.lazy,
                '-' if on => {
                    (on, any) = (false, false);
                    continue;
                }
                ':' | ')' if on || any => {
                    if c == ':' {
                        self.group("(?:")?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            };
            *flag = on;
            any = true;
        }
        Err(BAD_GROUP)
    }

    fn group(&mut self, opening: &str) -> Result<(), Refused> {
        self.settle();
        if self.groups.len() >= DEPTH {
            return Err("expression nests too deeply");
        }
        self.groups.push(Group {
            flags: self.flags,
            copies: self.copies,
            start: self.out.len(),
        });
        self.copies = 1;
        self.out.push_str(opening);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refused> {
        self.settle();
        let group = self.groups.pop().ok_or("unexpected )")?;
        self.out.push(')');
        self.atom = Some(Atom {
            start: group.start,
            copies: self.copies,
            repeated: false,
        });
        self.copies = group.copies;
        self.flags = group.flags;
        Ok(())
    }

    fn escaped(&mut self) -> Result<(), Refused> {
        match self.rest.chars().next() {
            Some('A') => self.atom(r"\A"),
            Some('z') => self.atom(r"\z"),
            Some('b') => self.atom(r"(?-u:\b)"),
            Some('B') => self.atom(r"(?-u:\B)"),
            Some('Q') => {
                self.next();
                let quoted = self.until(r"\E").unwrap_or_else(|| std::mem::take(&mut self.rest));
                quoted.chars().for_each(|c| self.literal(c));
                return Ok(());
            }
            Some('p' | 'P' | 'd' | 'D' | 's' | 'S' | 'w' | 'W') => {
                let class = named(&mut self.rest)?.unwrap_or_default();
                self.class_atom(&class);
                return Ok(());
            }
            _ => {
                match escape(&mut self.rest)? {
                    Some(c) => self.literal(c),
                    None => self.atom(NOTHING),
                }
                return Ok(());
            }
        }
        self.next();
        Ok(())
    }

    fn class_atom(&mut self, class: &str) {
        let class = if self.flags.fold_case {
            format!("(?i:{class})")
        } else {
            class.to_owned()
        };
        self.atom(&class);
    }

    fn class(&mut self) -> Result<(), Refused> {
        let mut class = String::from(if self.eat("^") { "[^" } else { "[" });
        let empty = class.len();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some(item) = posix(&mut self.rest)? {
                class.push_str(&item);
                continue;
            }
            if let Some(mut escape) = self.rest.strip_prefix('\\')
                && let Some(item) = named(&mut escape)?
            {
                class.push_str(&item);
                self.rest = escape;
                continue;
            }
            let low = class_char(&mut self.rest)?;
            let mut high = low;
            // `[a-]` is an a or a hyphen.
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1 {
                self.next();
                high = class_char(&mut self.rest)?;
            }
            if high < low {
                return Err(BAD_CLASS);
            }
            write_range(&mut class, low, high);
        }
        self.next();
        if class.len() == empty {
            let everything = class == "[^";
            self.atom(if everything { "(?s:.)" } else { NOTHING });
        } else {
            class.push(']');
            self.class_atom(&class);
        }
        Ok(())
    }
}
