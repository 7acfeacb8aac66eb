//! The Rego in a template: where it stands in the YAML, and what Gatekeeper lets it refer to.

use std::num::NonZeroU32;

use regorus::unstable::{Lexer, Source, TokenKind};

use super::fields::Fields;
use super::yaml::Node;

/// The package that a template's Rego gets, whatever its own is called. Libraries keep theirs, below `data.lib`.
const PACKAGE: &str = "template";
/// What a template's Rego is asked for.
pub const ENTRY_POINT: &str = "data.template.violation";
/// Lines may be this long: generated policies have long ones.
const MAX_COLUMNS: NonZeroU32 = NonZeroU32::new(65_536).unwrap();

/// A Rego module inside of a YAML file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// After as many empty lines as stand before it in the file, so that its lines are those of the file. The package
    /// of the main module is `template`.
    pub text: String,
    /// The line of the file on which the text begins.
    first_line: usize,
    /// Each line of the text is a line of the file: it is a block (`|`), and not folded or quoted.
    is_block: bool,
}

impl Module {
    /// The line of the YAML file for a line of the text: the same, or where the text begins when it is folded or quoted.
    pub fn yaml_line(&self, row: usize) -> usize {
        if self.is_block {
            row.max(self.first_line)
        } else {
            self.first_line
        }
    }

    fn locate(text: &str, node: &Node, yaml: &[&str]) -> Self {
        // A block's position is its first line that is not empty.
        let empty = text.lines().take_while(|line| line.trim().is_empty()).count();
        let first_line = node.line.saturating_sub(empty);
        let below = yaml.iter().skip(first_line.saturating_sub(1));
        let mut pairs = text.lines().zip(below);
        let same = pairs.by_ref().all(|(own, written)| own.trim() == written.trim());
        let first_line = if same { first_line } else { node.line };
        Self {
            text: format!("{}{text}", "\n".repeat(first_line.saturating_sub(1))),
            first_line,
            is_block: same,
        }
    }
}

/// Reads the module that has the rule `violation`.
pub(super) fn main(text: &str, node: &Node, yaml: &[&str], field: &str, fields: &mut Fields<'_>) -> Module {
    let mut module = Module::locate(text, node, yaml);
    let Some(outline) = outline(&module, field, fields) else {
        return module;
    };
    if !outline.defines_violation {
        let advice = "there is no rule `violation`: Gatekeeper asks for `violation[{\"msg\": msg}]`";
        fields.wrong(module.first_line, field, advice);
    }
    let (start, end) = outline.package_span;
    // A line break inside of the package's name would be lost, and with it the count of lines.
    let breaks = module.text.get(start..end).map_or(0, |name| name.matches('\n').count());
    module
        .text
        .replace_range(start..end, &format!("{PACKAGE}{}", "\n".repeat(breaks)));
    module
}

/// Reads a library.
pub(super) fn library(text: &str, node: &Node, yaml: &[&str], field: &str, fields: &mut Fields<'_>) -> Module {
    let module = Module::locate(text, node, yaml);
    if let Some(outline) = outline(&module, field, fields)
        && (outline.package.first().is_none_or(|name| name != "lib") || outline.package.len() < 2)
    {
        let advice = format!(
            "the package of a library has to begin with `lib.`, this is `{}`",
            outline.package.join(".")
        );
        fields.wrong(module.yaml_line(outline.package_line), field, &advice);
    }
    module
}

/// What Gatekeeper looks at before it compiles.
struct Outline {
    package: Vec<String>,
    package_line: usize,
    package_span: (usize, usize),
    defines_violation: bool,
}

struct Token {
    kind: TokenKind,
    text: String,
    line: usize,
    start: usize,
    end: usize,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        matches!(self.kind, TokenKind::Ident | TokenKind::Symbol) && self.text == text
    }
}

/// Complains about imports and references that Gatekeeper refuses. Works on tokens: comments and strings are none.
fn outline(module: &Module, field: &str, fields: &mut Fields<'_>) -> Option<Outline> {
    let tokens = match tokens(&module.text) {
        Ok(tokens) => tokens,
        Err((row, reason)) => {
            fields.wrong(module.yaml_line(row), field, &reason);
            return None;
        }
    };
    let Some([keyword, first, ..]) = tokens.get(..tokens.len().min(2)).filter(|start| start.len() == 2) else {
        fields.wrong(module.first_line, field, "there is no Rego");
        return None;
    };
    if !keyword.is("package") {
        let advice = "the Rego has to begin with `package` and a name";
        fields.wrong(module.yaml_line(keyword.line), field, advice);
        return None;
    }
    let (package, after) = path(&tokens, 1);
    let package_end = tokens.get(after.saturating_sub(1)).map_or(first.end, |token| token.end);
    let mut outline = Outline {
        package,
        package_line: keyword.line,
        package_span: (first.start, package_end),
        defines_violation: false,
    };
    let mut depth = 0_usize;
    let mut place = after;
    while let Some(token) = tokens.get(place) {
        let before = tokens.get(place.saturating_sub(1));
        let begins_line = before.is_none_or(|before| before.line < token.line);
        let begins_statement =
            depth == 0 && (begins_line || before.is_some_and(|before| before.is("}") || before.is("default")));
        let next = place + 1;
        place = next;
        match token.text.as_str() {
            _ if !matches!(token.kind, TokenKind::Ident | TokenKind::Symbol) => {}
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => depth = depth.saturating_sub(1),
            "import" if begins_statement => {
                let (names, after) = path(&tokens, next);
                import(&names, module, token.line, field, fields);
                place = after.max(next);
            }
            "violation" if begins_statement => outline.defines_violation = true,
            "data" if !before.is_some_and(|before| before.is(".") && before.end == token.start) => {
                let (names, after) = path(&tokens, next - 1);
                reference(&names, module, token.line, field, fields);
                place = after.max(next);
            }
            _ => {}
        }
    }
    Some(outline)
}

fn import(names: &[String], module: &Module, row: usize, field: &str, fields: &mut Fields<'_>) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let advice = match names.as_slice() {
        ["future", ..] | ["data", "lib", ..] => return,
        ["rego", "v1"] => "Gatekeeper refuses `import rego.v1`; write `version: v1` beside `rego` instead".to_owned(),
        ["input", ..] => "Gatekeeper refuses imports of `input`; write the reference in full".to_owned(),
        ["data", "inventory", ..] => {
            "Gatekeeper refuses imports of `data.inventory`; write the reference in full".to_owned()
        }
        other => format!(
            "cannot import {}; only `data.lib.…` and `future.keywords` can be imported",
            other.join(".")
        ),
    };
    fields.wrong(module.yaml_line(row), field, &advice);
}

fn reference(names: &[String], module: &Module, row: usize, field: &str, fields: &mut Fields<'_>) {
    let advice = match names.get(1).map(String::as_str) {
        Some("inventory" | "lib") => return,
        Some(_) => format!(
            "{} is not there; a template sees only `data.inventory` and `data.lib`",
            names.join(".")
        ),
        None => "`data` as a whole is not there; a template sees only `data.inventory` and `data.lib`".to_owned(),
    };
    fields.wrong(module.yaml_line(row), field, &advice);
}

/// The constant names of a reference that begins at a token, and the place after it.
fn path(tokens: &[Token], start: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let Some(first) = tokens.get(start).filter(|token| token.kind == TokenKind::Ident) else {
        return (names, start);
    };
    names.push(first.text.clone());
    let mut place = start + 1;
    loop {
        let [a, b, c] = [0, 1, 2].map(|ahead| tokens.get(place + ahead));
        let glued = a
            .zip(tokens.get(place - 1))
            .is_some_and(|(a, before)| a.start == before.end);
        match (a, b, c) {
            (Some(a), Some(b), _) if glued && a.is(".") && b.kind == TokenKind::Ident => {
                names.push(b.text.clone());
                place += 2;
            }
            (Some(a), Some(b), Some(c))
                if glued && a.is("[") && c.is("]") && matches!(b.kind, TokenKind::String | TokenKind::RawString) =>
            {
                names.push(b.text.clone());
                place += 3;
            }
            _ => return (names, place),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, (usize, String)> {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let mut row = 0;
    let unreadable = |row: usize, error: &dyn std::fmt::Display| {
        let report = error.to_string();
        let sentence = report.lines().find_map(|line| line.trim().strip_prefix("error: "));
        (row, format!("this is no Rego: {}", sentence.unwrap_or(&report)))
    };
    let source = Source::from_contents(String::new(), text.to_owned()).map_err(|error| unreadable(0, &error))?;
    let mut lexer = Lexer::new(&source);
    lexer.set_max_col(MAX_COLUMNS);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next_token().map_err(|error| unreadable(row, &error))?;
        if token.0 == TokenKind::Eof {
            return Ok(tokens);
        }
        row = size(token.1.line);
        tokens.push(Token {
            text: token.1.text().to_owned(),
            line: row,
            start: size(token.1.start),
            end: size(token.1.end),
            kind: token.0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::gatekeeper::yaml;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn module(rego: &str, is_library: bool) -> Result<Module, Vec<String>> {
        let indented: Vec<&str> = rego.lines().collect();
        let text = format!("rego: |\n  {}\n", indented.join("\n  "));
        let nodes = yaml::read("t.yaml", &text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut fields = Fields::new("t.yaml");
        let node = nodes[0].get("rego").unwrap();
        let read = if is_library { library } else { main };
        let module = read(node.as_str().unwrap(), node, &lines, "rego", &mut fields);
        let problems = fields.finish(Some(module));
        problems.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn refused(rego: &str) -> String {
        module(rego, false).unwrap_err().join("\n")
    }

    #[test]
    fn the_package_is_renamed_and_lines_stay() {
        let rego = "# a comment\npackage foo[\"a-b\"].bar\n\nviolation[{\"msg\": \"data.x\"}] { input.data.y }\n";
        let module = module(rego, false).unwrap();
        assert_eq!(
            module.text,
            format!("\n{}", rego.replace("foo[\"a-b\"].bar", "template"))
        );
    }

    #[test]
    fn lines_are_known_for_each_style_of_text() {
        let line = |text: &str| {
            let nodes = yaml::read("t.yaml", text).unwrap();
            let node = nodes[0].get("rego").unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let module = Module::locate(node.as_str().unwrap(), node, &lines);
            let row = module.text.lines().position(|line| line.contains("x = 1")).unwrap();
            module.yaml_line(row + 1)
        };
        assert_eq!(line("a: 1\nrego: |\n  package a\n\n  x = 1\n"), 5);
        assert_eq!(line("a: 1\nrego: |-  # c\n\n  package a\n  x = 1\n"), 5);
        assert_eq!(line("a: 1\nrego: \"package a\\n\\nx = 1\"\n"), 2);
        assert_eq!(line("a: 1\nrego: >\n  package a\n\n  x = 1\n"), 3);
    }

    #[test]
    fn references_outside_of_inventory_and_libraries_are_refused() {
        let body = |expression: &str| format!("package a\nviolation[{{\"msg\": \"x\"}}] {{\n  {expression}\n}}\n");
        for fine in [
            "data.inventory.cluster",
            "data.lib.x.f(1)",
            "input.data.x",
            "data[\"inventory\"][x]",
            "y := {\"data\": 1}",
        ] {
            assert!(module(&body(fine), false).is_ok(), "{fine}");
        }
        for (wrong, word) in [
            ("data.kubernetes.x", "data.kubernetes.x"),
            ("data[x]", "as a whole"),
            ("f(data)", "as a whole"),
        ] {
            let problem = refused(&body(wrong));
            assert!(
                problem.starts_with("t.yaml:4: rego: ") && problem.contains(word),
                "{problem}"
            );
        }
    }

    #[test]
    fn imports_are_those_that_gatekeeper_takes() {
        let rego = |import: &str| format!("package a\nimport {import}\nviolation[{{\"msg\": \"x\"}}] {{ true }}\n");
        for fine in ["future.keywords.in", "data.lib.x as y", "future.keywords"] {
            assert!(module(&rego(fine), false).is_ok(), "{fine}");
        }
        for (wrong, word) in [
            ("rego.v1", "version: v1"),
            ("input.review as r", "of `input`"),
            ("data.inventory", "data.inventory"),
            ("data.foo", "cannot import data.foo"),
        ] {
            let problem = refused(&rego(wrong));
            assert!(problem.starts_with("t.yaml:3: ") && problem.contains(word), "{problem}");
        }
    }

    #[test]
    fn a_template_needs_violation_and_a_library_its_package() {
        assert!(refused("package a\nviolations[x] { x := violation }\n").contains("no rule `violation`"));
        assert!(module("package a\ndefault violation = true\n", false).is_ok());
        assert!(module("package a\np { true } violation[{\"msg\": \"x\"}] { p }\n", false).is_ok());
        assert!(module("package lib.shop\np { true }\n", true).is_ok());
        for package in ["lib", "shop", "library.x"] {
            let problem = module(&format!("package {package}\np {{ true }}\n"), true).unwrap_err();
            assert!(problem[0].contains("has to begin with `lib.`"), "{problem:?}");
        }
        assert!(refused("violation[{\"msg\": \"x\"}] { true }\n").contains("begin with `package`"));
        assert!(refused("package a\np = \"x\n").contains("no Rego"));
    }
}
