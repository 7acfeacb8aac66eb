//! Rego's text into a syntax tree. The only file that names the parser's crate beside `resolve.rs`.

use std::num::NonZeroU32;

use regorus::unstable::{Module, Parser, Source};

use super::Dialect;
use super::tokens;

/// Lines may be this long: generated policies have long ones.
const MAX_COLUMNS: NonZeroU32 = NonZeroU32::new(65_536).unwrap();

/// Reads one module. The error is a line and what is wrong there.
pub(super) fn module(file: &str, text: &str, dialect: Dialect) -> Result<Module, (usize, String)> {
    let text = tokens::prepare(text, dialect)?;
    let source = Source::from_contents(file.to_owned(), text).map_err(|error| located(&error.to_string()))?;
    let parsed = Parser::new(&source).and_then(|mut parser| {
        parser.set_max_col(MAX_COLUMNS);
        if dialect == Dialect::V1 {
            parser.enable_rego_v1()?;
        }
        parser.parse()
    });
    parsed.map_err(|error| located(&error.to_string()))
}

/// The syntax that a file is written in: the newer one, unless only the older one reads it.
///
/// # Errors
/// The line and what is wrong there, in the newer syntax.
pub fn dialect_of(file: &str, text: &str) -> Result<Dialect, (usize, String)> {
    match module(file, text, Dialect::V1) {
        Ok(_) => Ok(Dialect::V1),
        Err(error) => module(file, text, Dialect::V0).map(|_| Dialect::V0).map_err(|_| error),
    }
}

/// The line and the sentence in the parser's report, which draws the source.
fn located(report: &str) -> (usize, String) {
    let place = report.lines().find_map(|line| line.trim().strip_prefix("--> "));
    let line = place
        .and_then(|place| place.rsplit(':').nth(1)?.parse().ok())
        .unwrap_or(0);
    let sentence = report.lines().find_map(|line| line.trim().strip_prefix("error: "));
    let sentence = sentence.unwrap_or(report).lines().next().unwrap_or_default();
    // What the parser's own parser says of a number helps nobody.
    let sentence = sentence.split(". serde_json").next().unwrap_or_default();
    (line, format!("{sentence}{}", remedy(sentence)))
}

/// What to write instead, where Rego that OPA takes is refused.
fn remedy(sentence: &str) -> &'static str {
    match sentence {
        _ if sentence.contains("unexpected keyword `import`") => "; imports come before the rules",
        _ if sentence.contains("unexpected keyword `and`") => "; write several statements in one body",
        _ if sentence.contains("unexpected keyword `or`") => "; write a rule for each",
        _ if sentence.contains("unexpected keyword") => "; write another name, or a[\"if\"] for a field",
        _ if sentence.contains("else cannot be used with set rules") => "; write a rule for each body",
        _ if sentence.contains("invalid number") => "; write a digit before the point, and less than 1e308",
        _ if sentence.contains("invalid character in string") => "; write control characters as \\u0001",
        _ => "",
    }
}
