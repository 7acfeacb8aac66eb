//! Prompts: templates with a name and a version, known by the digest of their text.
//!
//! What is put into a template is of our own making, never a text from outside: facts are a part of their own, which the guards
//! search and mark.

use std::fmt;
use std::path::Path;

use data_encoding::HEXLOWER;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Between what is said to the model as its frame and what is asked.
const USER: &str = "\n=== user ===\n";
/// Bytes of a template.
const MAX_BYTES: u64 = 64 * 1024;

/// For words.
pub const EXPLAIN: &str = "explain";
/// For a change.
pub const CHANGE: &str = "change";

const SHIPPED: [&str; 2] = [
    include_str!("../../prompts/explain/1.j2"),
    include_str!("../../prompts/change/1.j2"),
];

/// Which prompt, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PromptId {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The SHA-256 of its text, in hex.
    pub hash: String,
}

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// What a template is told.
#[derive(Debug, Clone, Copy)]
pub struct Variables {
    /// The engine found a change.
    pub has_fix: bool,
    /// How often the team met the rule: `first`, `again` or `often`.
    pub times: &'static str,
}

/// One prompt.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Which.
    pub id: PromptId,
    /// Tokens of the answer at most.
    pub max_tokens: u32,
    /// What it is for, as the policy on agents knows it.
    pub purpose: String,
    system: String,
    user: String,
}

/// A prompt, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The frame.
    pub system: String,
    /// The question.
    pub user: String,
}

/// Why there is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The file.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// Its text.
    #[error("{0}")]
    Text(String),
    /// It is not there.
    #[error("there is no prompt {0}")]
    Missing(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Head {
    name: String,
    version: u32,
    purpose: String,
    max_tokens: u32,
}

impl Prompt {
    /// Reads a template with its head, and tries it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PromptError> {
        let wrong = |what: String| PromptError::Text(what);
        let expected = "expected `---`, a head in YAML, `---`, and the template";
        let rest = text.strip_prefix("---\n").ok_or_else(|| wrong(expected.to_owned()))?;
        let (head, body) = rest.split_once("\n---\n").ok_or_else(|| wrong(expected.to_owned()))?;
        let head: Head = serde_saphyr::from_str(head).map_err(|error| wrong(error.to_string()))?;
        let Head {
            name,
            version,
            purpose,
            max_tokens,
        } = head;
        if !(1..=8192).contains(&max_tokens) {
            return Err(wrong("maxTokens: expected 1 to 8192".to_owned()));
        }
        let (system, user) = body
            .split_once(USER)
            .ok_or_else(|| wrong(format!("expected a line `{}`", USER.trim())))?;
        let prompt = Self {
            id: PromptId {
                name,
                version,
                hash: HEXLOWER.encode(&Sha256::digest(text)),
            },
            max_tokens,
            purpose,
            system: system.to_owned(),
            user: user.to_owned(),
        };
        for times in ["first", "again", "often"] {
            for has_fix in [false, true] {
                prompt.render(Variables { has_fix, times })?;
            }
        }
        Ok(prompt)
    }

    /// The prompt for one question.
    ///
    /// # Errors
    /// The template does not come to a text.
    pub fn render(&self, variables: Variables) -> Result<Rendered, PromptError> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let Variables { has_fix, times } = variables;
        let context = Value::from_pairs([("has_fix", Value::from(has_fix)), ("times", Value::from(times))]);
        let one = |template: &str| {
            let rendered = environment.render_str(template, context.clone());
            rendered.map_err(|error| PromptError::Text(format!("{}: {error:#}", self.id)))
        };
        Ok(Rendered {
            system: one(&self.system)?,
            user: format!("{}\n", one(&self.user)?.trim_end()),
        })
    }
}

/// The prompts that are used.
#[derive(Debug, Clone)]
pub struct Prompts {
    /// For words.
    pub explain: Prompt,
    /// For a change.
    pub change: Prompt,
}

impl Prompts {
    /// Those that come along.
    ///
    /// # Errors
    /// Never, as a test knows.
    pub fn shipped() -> Result<Self, PromptError> {
        let prompts: Result<Vec<Prompt>, PromptError> = SHIPPED.iter().map(|text| Prompt::parse(text)).collect();
        Self::of(&prompts?)
    }

    /// Those of a folder, `NAME/VERSION.j2`, the highest version of each; what is not there comes along.
    ///
    /// # Errors
    /// A file cannot be read, or is no prompt.
    pub fn load(folder: &Path) -> Result<Self, PromptError> {
        let mut prompts = Vec::new();
        for text in SHIPPED {
            let shipped = Prompt::parse(text)?;
            prompts.push(highest(folder, &shipped.id.name)?.unwrap_or(shipped));
        }
        Self::of(&prompts)
    }

    fn of(prompts: &[Prompt]) -> Result<Self, PromptError> {
        let named = |name: &'static str| {
            let mut prompts = prompts.iter();
            let own = prompts.find(|prompt| prompt.id.name == name).cloned();
            own.ok_or(PromptError::Missing(name))
        };
        Ok(Self {
            explain: named(EXPLAIN)?,
            change: named(CHANGE)?,
        })
    }
}

fn highest(folder: &Path, name: &str) -> Result<Option<Prompt>, PromptError> {
    let folder = folder.join(name);
    let failed = |path: &Path, reason: &dyn fmt::Display| PromptError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&folder, &error)),
    };
    let mut best: Option<Prompt> = None;
    for entry in entries {
        let path = entry.map_err(|error| failed(&folder, &error))?.path();
        if path.extension().is_none_or(|extension| extension != "j2") {
            continue;
        }
        let size = std::fs::metadata(&path).map_err(|error| failed(&path, &error))?.len();
        if size > MAX_BYTES {
            return Err(failed(&path, &format!("{size} bytes; {MAX_BYTES} are the limit")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        let prompt = Prompt::parse(&text).map_err(|error| failed(&path, &error))?;
        let is_named = path.file_stem().and_then(|stem| stem.to_str()) == Some(&prompt.id.version.to_string());
        if prompt.id.name != name || !is_named {
            let named = format!("its head says {} version {}", prompt.id.name, prompt.id.version);
            return Err(failed(&path, &named));
        }
        if best.as_ref().is_none_or(|best| best.id.version < prompt.id.version) {
            best = Some(prompt);
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::guards::AT_THE_SOURCE;

    #[test]
    fn the_shipped_prompts_are_some_and_say_what_they_are_told() {
        let prompts = Prompts::shipped().unwrap();
        assert_eq!(prompts.explain.id.to_string(), "explain@1");
        assert_eq!(prompts.explain.id.hash.len(), 64);
        let of = |has_fix, times| prompts.explain.render(Variables { has_fix, times }).unwrap();
        assert_eq!(of(true, "first").user, "Explain this denial.\n");
        assert!(of(true, "often").system.contains(AT_THE_SOURCE));
        assert!(of(true, "often").system.contains("several times") && of(true, "often").system.contains("`fix`"));
        assert!(!of(false, "first").system.contains("several times") && !of(false, "first").system.contains("`fix`"));
    }

    #[test]
    fn a_folder_replaces_prompts_and_wrong_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let text = |version: u32, body: &str| {
            format!("---\nname: explain\nversion: {version}\npurpose: explain\nmaxTokens: 10\n---\n{body}")
        };
        write("explain/2.j2", &text(2, "a\n=== user ===\nb"));
        write("explain/10.j2", &text(10, "c {{ times }}\n=== user ===\nb"));
        let prompts = Prompts::load(folder.path()).unwrap();
        assert_eq!((prompts.explain.id.version, prompts.change.id.version), (10, 1));
        for (name, body, expected) in [
            ("explain/3.j2", text(4, "a\n=== user ===\nb"), "version 4"),
            ("explain/3.j2", text(3, "a"), "=== user ==="),
            ("explain/3.j2", text(3, "{{ nothing }}\n=== user ===\nb"), "undefined"),
            ("explain/3.j2", "no head".to_owned(), "expected `---`"),
        ] {
            write(name, &body);
            let error = Prompts::load(folder.path()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("3.j2"), "{error}");
        }
    }
}
