//! Texts that a pattern takes: near the text that is there, when one is.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::redact;

/// What stands where only a person knows the value. Good as a label, a name, a host and a tag.
pub(super) const FILL_IN: &str = "change-me";

/// Texts that fit a regular expression, and whether they are the only ones.
pub(super) struct Samples {
    pub(super) texts: Vec<String>,
    pub(super) is_all: bool,
}

/// How many texts an expression may have to be listed.
const MAX_LISTED: usize = 16;

/// Texts that may fit an expression; each has to be tried.
pub(super) fn samples(pattern: &str, now: Option<&str>) -> Samples {
    let Ok(hir) = regex_syntax::parse(pattern) else {
        return Samples {
            texts: Vec::new(),
            is_all: false,
        };
    };
    let is_anchored = pattern.starts_with('^') && pattern.ends_with('$');
    if is_anchored && let Some(texts) = listed(&hir) {
        return Samples { texts, is_all: true };
    }
    let mut texts = Vec::new();
    if let Some(now) = now {
        let lower = now.to_lowercase();
        texts.push(lower.replace(['_', ' ', '/'], "-"));
        texts.push(lower.replace(['_', ' ', '-', '.'], ""));
        texts.push(lower);
        texts.push(now.to_uppercase());
        texts.push(format!("{now}.0"));
        texts.push(format!("{now}.0.0"));
        let (prefix, suffix) = edges(&hir);
        texts.push(format!("{prefix}{now}"));
        texts.push(format!("{now}{suffix}"));
        texts.push(format!("{prefix}{now}{suffix}"));
        if let Some((stem, _)) = now.rsplit_once([':', '@']) {
            texts.push(format!("{stem}{suffix}"));
        }
        texts.push(sample(&hir, now));
    }
    texts.push(sample(&hir, FILL_IN));
    texts.dedup();
    Samples { texts, is_all: false }
}

/// All texts of an expression, when they are few.
fn listed(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(vec![String::new()]),
        HirKind::Literal(literal) => Some(vec![String::from_utf8(literal.0.to_vec()).ok()?]),
        HirKind::Capture(capture) => listed(&capture.sub),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(listed(part)?);
            }
            (all.len() <= MAX_LISTED).then_some(all)
        }
        HirKind::Concat(parts) => {
            let mut all = vec![String::new()];
            for part in parts {
                let ends = listed(part)?;
                all = all
                    .iter()
                    .flat_map(|start| ends.iter().map(move |end| format!("{start}{end}")))
                    .collect();
                if all.len() > MAX_LISTED {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Class(_) | HirKind::Repetition(_) => None,
    }
}

/// The literal texts at both ends.
fn edges(hir: &Hir) -> (String, String) {
    let parts: Vec<&Hir> = match hir.kind() {
        HirKind::Concat(parts) => parts.iter().collect(),
        _ => vec![hir],
    };
    let literal = |hir: &&Hir| match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        HirKind::Look(_) => Some(String::new()),
        HirKind::Capture(capture) => listed(&capture.sub).and_then(|texts| texts.into_iter().next()),
        _ => None,
    };
    let prefix: String = parts.iter().map_while(literal).collect();
    let mut ends: Vec<String> = parts.iter().rev().map_while(literal).collect();
    ends.reverse();
    (prefix, ends.concat())
}

/// A text that fits, with letters of the hint where the expression lets them.
fn sample(hir: &Hir, hint: &str) -> String {
    let mut text = String::new();
    write(hir, hint, &mut text);
    text
}

fn write(hir: &Hir, hint: &str, text: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Capture(capture) => write(&capture.sub, hint, text),
        HirKind::Alternation(parts) => {
            if let Some(first) = parts.first() {
                write(first, hint, text);
            }
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, hint, text)),
        HirKind::Class(class) => text.push(one_of(class, hint)),
        HirKind::Repetition(repetition) => {
            let least = repetition.min as usize;
            if let HirKind::Class(class) = repetition.sub.kind() {
                let most = repetition.max.map_or(usize::MAX, |most| most as usize);
                let fitting: Vec<char> = hint.chars().filter(|character| has(class, *character)).collect();
                let length = fitting.len().clamp(least, most.max(least));
                if least == 0 && most == 1 {
                    return;
                }
                for place in 0..length.min(64.max(least)) {
                    let filler = fitting.get(place).copied();
                    text.push(filler.unwrap_or_else(|| one_of(class, hint)));
                }
            } else {
                for _ in 0..least {
                    write(&repetition.sub, hint, text);
                }
            }
        }
    }
}

fn one_of(class: &Class, hint: &str) -> char {
    let own = hint.chars().find(|character| has(class, *character));
    own.or_else(|| {
        ['a', '0', 'A', 'x', '1', '-', '_']
            .into_iter()
            .find(|character| has(class, *character))
    })
    .or_else(|| match class {
        Class::Unicode(class) => class.ranges().first().map(regex_syntax::hir::ClassUnicodeRange::start),
        Class::Bytes(class) => class.ranges().first().map(|range| char::from(range.start())),
    })
    .unwrap_or('x')
}

fn has(class: &Class, character: char) -> bool {
    match class {
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .any(|range| range.start() <= character && character <= range.end()),
        Class::Bytes(class) => u8::try_from(character).is_ok_and(|byte| {
            class
                .ranges()
                .iter()
                .any(|range| range.start() <= byte && byte <= range.end())
        }),
    }
}

/// How near two texts are, from 0 to 3: 3 is the same but for letters, a typing error, or a part.
pub(super) fn nearness(one: &str, other: &str) -> u32 {
    if one.is_empty() || other.is_empty() {
        return 0;
    }
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let words = |text: &str| -> Vec<String> {
        text.split(|character: char| !character.is_alphanumeric())
            .filter(|word| word.len() > 1)
            .map(str::to_owned)
            .collect()
    };
    let known = words(&one);
    let shared = words(&other).iter().filter(|word| known.contains(word)).count();
    let alike = strsim::normalized_damerau_levenshtein(&one, &other);
    let is_part = one.len().min(other.len()) >= 3 && (one.starts_with(&other) || other.starts_with(&one));
    if is_part || alike >= 0.75 {
        3
    } else {
        u32::try_from(shared.min(2)).unwrap_or(0)
    }
}

/// Whether one text is the other with a typing error in it.
pub(super) fn is_slip(now: &str, meant: &str) -> bool {
    nearness(now, meant) == 3 && !meant.contains(now) && !now.contains(meant)
}

/// A name of an image in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image<'a> {
    /// With the port; none for Docker Hub.
    pub(super) registry: Option<&'a str>,
    pub(super) repository: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        // A user and a password before the registry are no part of its name.
        let text = match redact::credentials(text) {
            Some(own) => text.get(own.len() + 1..).unwrap_or(text),
            None => text,
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest.get(slash..).and_then(|last| last.rfind(':')) {
            Some(colon) => (rest.get(..slash + colon).unwrap_or(rest), rest.get(slash + colon + 1..)),
            None => (rest, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
            _ => (None, name),
        };
        Self {
            registry,
            repository,
            tag,
            digest,
        }
    }

    /// Everything behind the repository.
    pub(super) fn version(&self) -> String {
        let tag = self.tag.map_or(String::new(), |tag| format!(":{tag}"));
        let digest = self.digest.map_or(String::new(), |digest| format!("@{digest}"));
        tag + &digest
    }

    /// Without tag and digest.
    pub(super) fn name(&self) -> String {
        self.registry.map_or_else(
            || self.repository.to_owned(),
            |registry| format!("{registry}/{}", self.repository),
        )
    }

    /// Without the registry.
    pub(super) fn path(&self) -> String {
        format!("{}{}", self.repository, self.version())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn expressions_with_few_texts_are_listed() {
        let found = samples("^(Always|IfNotPresent)$", Some("Never"));
        assert!(found.is_all);
        assert_eq!(found.texts, ["Always", "IfNotPresent"]);
    }

    #[test]
    fn samples_fit() {
        for pattern in [
            "^[a-zA-Z]+.agilebank.demo$",
            "^v[0-9]+\\.[0-9]+\\.[0-9]+$",
            "@[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$",
            "^[a-z]{3,5}-[0-9]{4}$",
            "^.+@sha256:[a-f0-9]{64}$",
        ] {
            let regex = regex::Regex::new(pattern).unwrap();
            let found = samples(pattern, Some("shop/web:1.0"));
            assert!(
                found.texts.iter().any(|text| regex.is_match(text)),
                "{pattern}: {:?}",
                found.texts
            );
        }
    }

    #[test]
    fn images_have_parts() {
        let image = Image::parse("registry.example.com:5000/shop/web:1.0@sha256:00");
        assert_eq!(image.registry, Some("registry.example.com:5000"));
        assert_eq!(image.repository, "shop/web");
        assert_eq!((image.tag, image.digest), (Some("1.0"), Some("sha256:00")));
        let image = Image::parse("user:hunter2@r.io/shop/web:1.0");
        assert_eq!(
            (image.registry, image.name().as_str(), image.tag),
            (Some("r.io"), "r.io/shop/web", Some("1.0"))
        );
        let image = Image::parse("nginx:1.2@sha256:00");
        assert_eq!((image.tag, image.digest), (Some("1.2"), Some("sha256:00")));
        let image = Image::parse("nginx");
        assert_eq!((image.registry, image.repository, image.tag), (None, "nginx", None));
    }
}
