//! Values beside a name that tells: in YAML, JSON, dotenv, properties, command lines, XML and sentences.

use std::sync::LazyLock;

use regex::{Captures, Match, Regex};

use super::keys::{Tells, is_no_secret, tells};
use super::{Kind, Span};
use crate::gateway::guards::pattern::fixed;

const NAMED: Kind = Kind("named-secret");
const SECRET_DATA: Kind = Kind("secret-data");
const PERSON: Kind = Kind("personal-field");

/// Finds them.
pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    lines(text, found);
    inline(text, found);
    pairs(text, found);
    secret_objects(text, found);
    sentences(text, found);
    directives(text, found);
    calls(text, found);
}

fn kind_of(name: &str) -> Option<Kind> {
    match tells(name) {
        Tells::Nothing => None,
        Tells::Secret => Some(NAMED),
        Tells::Person => Some(PERSON),
    }
}

fn push(found: &mut Vec<Span>, value: Match<'_>, kind: Kind) {
    if !is_no_secret(value.as_str()) {
        found.push(Span {
            start: value.start(),
            end: value.end(),
            kind,
        });
    }
}

fn name<'t>(captures: &Captures<'t>) -> &'t str {
    captures.name("key").map_or("", |key| key.as_str())
}

/// `key: value` and `KEY=value` that have a line for themselves.
fn lines(text: &str, found: &mut Vec<Span>) {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"^(?P<indent>[ \t]*(?:[-?#] +)*(?:(?:export|set|ENV|ARG|env|local|declare(?: -\w+)?)[ \t]+)?)[\\"'`]*(?P<key>[\pL_.][\pL\pN_./-]*)[\\"'`]*(?P<sign>[ \t]*(?::=|:|=>|=)[ \t]*)(?P<value>.*)$"#,
        )
    });
    let mut at = 0;
    // The indentation of a telling key whose value is the lines below it, and what it tells.
    let mut block: Option<(usize, Kind)> = None;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let content = line.trim_end();
        let indent = content.len() - content.trim_start().len();
        if let Some((over, kind)) = block {
            let is_inside =
                content.is_empty() || indent > over || (indent == over && content.trim_start().starts_with("- "));
            if is_inside {
                let entry = content.trim_start().trim_start_matches("- ");
                let has_key = LINE.is_match(entry) && !entry.contains("-----");
                if !has_key && !is_no_secret(entry) && !entry.starts_with('{') {
                    found.push(Span {
                        start: start + content.len() - entry.len(),
                        end: start + content.len(),
                        kind,
                    });
                }
                if !has_key {
                    continue;
                }
            } else {
                block = None;
            }
        }
        let Some(captures) = LINE.captures(content) else {
            continue;
        };
        let Some(kind) = kind_of(name(&captures)) else { continue };
        let (Some(value), Some(sign)) = (captures.name("value"), captures.name("sign")) else {
            continue;
        };
        let written = value.as_str();
        if written.is_empty() || written.starts_with(['|', '>']) {
            let key_at = captures.name("indent").map_or(indent, |indent| indent.as_str().len());
            block = Some((if written.is_empty() { key_at } else { indent }, kind));
            continue;
        }
        if written.starts_with(['{', '[']) {
            continue;
        }
        let (from, to) = extent(written, sign.as_str());
        if written.get(from..to).is_some_and(|value| !is_no_secret(value)) {
            found.push(Span {
                start: start + value.start() + from,
                end: start + value.start() + to,
                kind,
            });
        }
    }
}

/// Where in the rest of a line its value is.
fn extent(written: &str, sign: &str) -> (usize, usize) {
    let quotes = written.len() - written.trim_start_matches(['\\', '"', '\'', '`']).len();
    if quotes > 0 {
        let quote = written
            .get(..quotes)
            .and_then(|quotes| quotes.chars().last())
            .unwrap_or('"');
        let rest = written.get(quotes..).unwrap_or_default();
        let mut is_escaped = false;
        let end = rest.char_indices().find(|(_, character)| {
            let ends = *character == quote && (!is_escaped || quotes > 1);
            is_escaped = *character == '\\' && !is_escaped;
            ends
        });
        return (quotes, end.map_or(written.len(), |(at, _)| quotes + at));
    }
    let is_shell = sign.trim() == "=" && !sign.starts_with(' ');
    let end = if is_shell {
        written.find([' ', '\t', ';', '&'])
    } else {
        written.find(" #")
    };
    (0, end.unwrap_or(written.len()))
}

/// The same in the middle of a line: flow style, JSON, query strings, flags.
fn inline(text: &str, found: &mut Vec<Span>) {
    static QUOTED: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"\\*["'`]?(?P<key>[\pL_][\pL\pN_.-]*)\\*["'`]?\s*(?::=|:|=>|=)\s*(?:\\+"(?P<a>[^"\\]+)|"(?P<b>(?:[^"\\]|\\.)+)"|'(?P<c>[^'\n]+)'|`(?P<d>[^`\n]+)`)"#,
        )
    });
    static BARE: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?:^|[^\pL\pN_/.-])(?P<key>[\pL_][\pL\pN_.-]*)(?P<q>["']?)(?:\s*(?P<strong>:=|=>|=)\s*|:(?P<space>\s+)|(?P<tight>:))(?P<value>[^\s,;&"'`{}()\[\]|<>][^\s,;&"'`{}()\[\]|<>]*)"#,
        )
    });
    static FLAG: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?:^|[\s"',\[])--?(?P<key>[\pL][\pL\pN_.-]*)["']?(?:\s*=\s*|\s*,\s*|\s+-\s+|[ \t]+)(?:"(?P<a>[^"]+)"|'(?P<b>[^']+)'|(?P<c>[^\s"',\]-][^\s"',\]]*))"#,
        )
    });
    static XML: LazyLock<Regex> = LazyLock::new(|| fixed(r"<(?P<key>[\pL_][\pL\pN_.:-]*)[^<>]*>(?P<a>[^<>]{2,})</"));
    static VERSION: LazyLock<Regex> = LazyLock::new(|| fixed(r"^(?:v?\d+(?:\.\d+)*(?:[-+.]\w+)*|latest|stable|//.*)$"));
    for captures in FLAG.captures_iter(text).chain(XML.captures_iter(text)) {
        let value = ["a", "b", "c"].iter().find_map(|group| captures.name(group));
        if let (Some(kind), Some(value)) = (kind_of(name(&captures)), value) {
            push(found, value, kind);
        }
    }
    // Not `captures_iter`: the value of one name may be a text with others in it.
    let mut at = 0;
    while let Some(captures) = QUOTED.captures_at(text, at) {
        at = captures.name("key").map_or(text.len(), |key| key.end());
        let value = ["a", "b", "c", "d"].iter().find_map(|group| captures.name(group));
        if let (Some(kind), Some(value)) = (kind_of(name(&captures)), value) {
            push(found, value, kind);
        }
    }
    let mut at = 0;
    // Not `captures_iter`: a value may be the next name (`a=password=b`).
    while let Some(captures) = BARE.captures_at(text, at) {
        let (Some(value), Some(kind)) = (captures.name("value"), Some(kind_of(name(&captures)))) else {
            break;
        };
        at = captures.name("key").map_or(text.len(), |key| key.end());
        let is_tight = captures.name("tight").is_some();
        let is_likely = if is_tight {
            !VERSION.is_match(value.as_str()) && !name(&captures).contains('.')
        } else if captures.name("space").is_some() {
            !value.as_str().starts_with(['|', '>', '-', '&', '*', '!']) || value.as_str().len() > 2
        } else {
            true
        };
        if let Some(kind) = kind.filter(|_| is_likely) {
            push(found, value, kind);
        }
    }
}

/// `name: KEY` and `value: …` beside each other, as in `env`, headers and Helm's parameters.
fn pairs(text: &str, found: &mut Vec<Span>) {
    static FORWARD: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?i)\\*["']?\b(?:name|key|header)\\*["']?\s*[:=]\s*\\*["']?(?P<key>[\pL_][\pL\pN_./-]*)\\*["']?\s*,?\s*(?:-\s+)?\\*["']?value\\*["']?\s*[:=][ \t]*(?:[|>][+-]?\s*\n\s*)?(?:\\+"(?P<a>[^"\\]+)|"(?P<b>(?:[^"\\]|\\.)+)"|'(?P<c>[^'\n]+)'|(?P<d>[^\s,"'{}\[\]][^\n,}]*))"#,
        )
    });
    static BACKWARD: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?i)\\*["']?\bvalue\\*["']?\s*[:=]\s*(?:\\+"(?P<a>[^"\\]+)\\+"|"(?P<b>(?:[^"\\]|\\.)+)"|'(?P<c>[^'\n]+)'|(?P<d>[^\s,"'{}\[\]][^\n,}]*?))\s*,?\s*\\*["']?name\\*["']?\s*[:=]\s*\\*["']?(?P<key>[\pL_][\pL\pN_./-]*)"#,
        )
    });
    let take = |captures: &Captures<'_>, found: &mut Vec<Span>| {
        let value = ["a", "b", "c", "d"].iter().find_map(|group| captures.name(group));
        if let (Some(kind), Some(value)) = (kind_of(name(captures)), value) {
            push(found, value, kind);
        }
    };
    for captures in BACKWARD.captures_iter(text) {
        take(&captures, found);
    }
    // A value may be a text with such a pair in it.
    let mut at = 0;
    while let Some(captures) = FORWARD.captures_at(text, at) {
        at = captures.name("key").map_or(text.len(), |key| key.end());
        take(&captures, found);
    }
}

/// All values of `data` and `stringData` where the text has an object of kind Secret.
fn secret_objects(text: &str, found: &mut Vec<Span>) {
    static IS_SECRET: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"\bkind\\*["']?\s*:\s*\\*["']?(?:Secret|SealedSecret|List)\b|"?stringData"?\s*:"#));
    static HEAD: LazyLock<Regex> = LazyLock::new(|| fixed(r"^(?P<indent>\s*)(?:data|stringData|binaryData):\s*$"));
    static ENTRY: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"^\s*["']?[\w./-]+["']?:\s*["']?(?P<value>[^\s"'|>{].*?)["']?\s*$"#));
    static FLOW: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"\b(?:data|stringData)\\*["']?\s*:\s*\{(?P<all>[^{}]*)\}"#));
    static MEMBER: LazyLock<Regex> = LazyLock::new(|| fixed(r#":\s*\\*["']?(?P<value>[^\s"',\\][^"',\\]*)"#));
    if !IS_SECRET.is_match(text) {
        return;
    }
    for all in FLOW.captures_iter(text).filter_map(|captures| captures.name("all")) {
        for value in MEMBER
            .captures_iter(all.as_str())
            .filter_map(|captures| captures.name("value"))
        {
            found.push(Span {
                start: all.start() + value.start(),
                end: all.start() + value.end(),
                kind: SECRET_DATA,
            });
        }
    }
    let mut at = 0;
    let mut inside: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let content = line.trim_end();
        let indent = content.len() - content.trim_start().len();
        if let Some(head) = HEAD.captures(content).and_then(|captures| captures.name("indent")) {
            inside = Some(head.end());
        } else if inside.is_some_and(|head| !content.is_empty() && indent <= head) {
            inside = None;
        } else if inside.is_some() && !content.is_empty() {
            let value = ENTRY.captures(content).and_then(|captures| captures.name("value"));
            let is_key = content.ends_with([':', '|', '>', '-']) && content.contains(':');
            let (from, to) = value.map_or((indent, content.len()), |value| (value.start(), value.end()));
            if value.is_some() || !is_key {
                found.push(Span {
                    start: start + from,
                    end: start + to,
                    kind: SECRET_DATA,
                });
            }
        }
    }
}

/// `requirepass hunter2`: a directive and its value, as files of many servers have them.
fn directives(text: &str, found: &mut Vec<Span>) {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?m)^[ \t]*(?:(?:[\w.:-]+[ \t]+){0,3}?)(?P<key>\pL[\pL\pN_-]*)[ \t]+["']?(?P<value>[^\s"'{};]{4,})["']?[ \t]*;?[ \t]*$"#,
        )
    });
    static WORD: LazyLock<Regex> = LazyLock::new(|| fixed(r"^[\pL'’-]+[.!?:,]?$"));
    for captures in LINE.captures_iter(text) {
        let Some(value) = captures.name("value") else { continue };
        let Some(kind) = kind_of(name(&captures)) else { continue };
        let is_only = captures
            .get(0)
            .is_some_and(|line| line.as_str().split_whitespace().count() == 2);
        let is_name = name(&captures).contains('_') || name(&captures).ends_with("pass");
        if !WORD.is_match(value.as_str()) || (is_only && is_name) {
            push(found, value, kind);
        }
    }
}

/// `define('DB_PASSWORD', 'hunter2')`: a name and its value as arguments.
fn calls(text: &str, found: &mut Vec<Span>) {
    static CALL: LazyLock<Regex> = LazyLock::new(|| {
        fixed(r#"\(\s*\\*["'](?P<key>[\pL_][\pL\pN_.-]*)\\*["']\s*,\s*\\*["'](?P<value>[^"'\\\n]{2,})"#)
    });
    for captures in CALL.captures_iter(text) {
        if let (Some(kind), Some(value)) = (kind_of(name(&captures)), captures.name("value")) {
            push(found, value, kind);
        }
    }
}

/// `the password is hunter2`: only what does not look like a word of the sentence.
fn sentences(text: &str, found: &mut Vec<Span>) {
    static SAID: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r#"(?i)\b(?:password|passwd|passphrase|passcode|passwort|kennwort|contrase(?:ñ|n)a|senha|mot de passe|пароль|secret|token|api[ _-]?key|access[ _-]?key|pin|credentials?)\s+(?:is|was|are|to|of|as|ist|lautet|es|est|e|é|это|value|set to|equals|named)?\s*[:=]?\s*["'`“«]?(?P<value>[^\s"'`”»,;]{4,})"#,
        )
    });
    static PLAIN: LazyLock<Regex> = LazyLock::new(|| fixed(r"^[\pL'’/.:-]+[.!?:]?$|^\d+$|^\pL+(?:[_-]\pL+)+$"));
    for value in SAID.captures_iter(text).filter_map(|captures| captures.name("value")) {
        let written = value.as_str().trim_end_matches(['.', '!', '?', ')']);
        if !PLAIN.is_match(written)
            && !is_no_secret(written)
            && !written.contains('/')
            && !written.starts_with(['(', '[', '{', '$', '<'])
        {
            found.push(Span {
                start: value.start(),
                end: value.start() + written.len(),
                kind: NAMED,
            });
        }
    }
}
