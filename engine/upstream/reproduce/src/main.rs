//! Runs reports through regorus' interpreter, its virtual machine and OPA, and prints what each says.
//!
//! ```sh
//! cargo run -- ../*.md           # prints the tables
//! cargo run -- --check ../*.md   # fails when a report says something else
//! cargo run -- --write ../*.md   # puts the tables into the reports
//! ```
//!
//! A report is Markdown with a block `rego` (the policy), a block `json` (the input) where there is one, and a table whose
//! rows begin with a query. OPA is the program in the variable `OPA`, or `opa`.

use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Value};

/// One report.
struct Report {
    policy: String,
    is_v0: bool,
    input: Option<String>,
    queries: Vec<String>,
    table: String,
}

fn main() -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let (mut check, mut write) = (false, false);
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--check" => check = true,
            "--write" => write = true,
            path if path.ends_with("README.md") => {}
            path => {
                let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
                let report = Report::read(&text).with_context(|| path.to_owned())?;
                let table = report.run()?;
                if write {
                    fs::write(path, text.replace(&report.table, &table))?;
                } else if check && table == report.table {
                    println!("{path}: as it says");
                } else {
                    println!("{path}\n\n{table}");
                    code = if check { ExitCode::FAILURE } else { code };
                }
            }
        }
    }
    Ok(code)
}

impl Report {
    fn read(text: &str) -> Result<Self> {
        let policy = block(text, "rego").context("there is no block `rego`")?;
        let (_, results) = text.split_once("\n## Results\n").context("there are no results")?;
        let table: String = results
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| format!("{line}\n"))
            .collect();
        let queries: Vec<String> = table
            .lines()
            .filter_map(|row| row.strip_prefix("| `")?.split('`').next())
            .map(str::to_owned)
            .collect();
        if queries.is_empty() {
            bail!("there is no table");
        }
        Ok(Self {
            is_v0: text.contains("(Rego v0)"),
            policy,
            input: block(text, "json"),
            queries,
            table,
        })
    }

    fn run(&self) -> Result<String> {
        let mut table = String::from("| query | OPA | interpreter | VM |\n| --- | --- | --- | --- |\n");
        for query in &self.queries {
            let (opa, interpreter, vm) = (self.opa(query)?, shown(self.interpreter(query)), shown(self.vm(query)));
            writeln!(table, "| `{query}` | {opa} | {interpreter} | {vm} |")?;
        }
        Ok(table)
    }

    fn engine(&self) -> Result<Engine> {
        let mut engine = Engine::new();
        engine.set_rego_v0(self.is_v0);
        engine.add_policy("policy.rego".to_owned(), self.policy.clone())?;
        if let Some(input) = &self.input {
            engine.set_input_json(input)?;
        }
        Ok(engine)
    }

    fn interpreter(&self, query: &str) -> Result<Value> {
        self.engine()?.eval_rule(query.to_owned())
    }

    fn vm(&self, query: &str) -> Result<Value> {
        let compiled = self.engine()?.compile_with_entrypoint(&query.into())?;
        let program = Compiler::compile_from_policy(&compiled, &[query])?;
        let mut vm = RegoVM::new();
        vm.load_program(Arc::clone(&program));
        if let Some(input) = &self.input {
            vm.set_input(Value::from_json_str(input)?);
        }
        Ok(vm.execute()?)
    }

    fn opa(&self, query: &str) -> Result<String> {
        let (text, value) = self.ask_opa(query)?;
        // As OPA writes it: a number of regorus may be another one.
        if matches!(value, Value::Number(_)) {
            let (_, exact) = self.ask_opa(&format!("json.marshal({query})"))?;
            return Ok(format!("`{}`", exact.as_string()?));
        }
        Ok(text)
    }

    fn ask_opa(&self, query: &str) -> Result<(String, Value)> {
        let folder = env::temp_dir().join(format!("reproduce-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let policy = folder.join("policy.rego");
        fs::write(&policy, &self.policy)?;
        let mut command = Command::new(env::var_os("OPA").unwrap_or_else(|| "opa".into()));
        command.args(["eval", "--format=json", "--data"]).arg(&policy);
        if self.is_v0 {
            command.arg("--v0-compatible");
        }
        if let Some(input) = &self.input {
            let path = folder.join("input.json");
            fs::write(&path, input)?;
            command.arg("--input").arg(path);
        }
        let output = command.arg(query).output().context("opa cannot be started")?;
        fs::remove_dir_all(&folder)?;
        let answer = Value::from_json_str(&String::from_utf8(output.stdout)?)?;
        let error = &answer["errors"][0]["message"];
        if let Ok(message) = error.as_string() {
            return Ok((format!("error: {}", first_line(message)), Value::Undefined));
        }
        let value = answer["result"][0]["expressions"][0]["value"].clone();
        Ok((shown(Ok(value.clone())), value))
    }
}

/// The text of the first code block of a language.
fn block(text: &str, language: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("\n```{language}\n"))?;
    let (block, _) = rest.split_once("\n```")?;
    Some(format!("{block}\n"))
}

fn shown(result: Result<Value>) -> String {
    match result {
        Ok(Value::Undefined) => "undefined".to_owned(),
        Ok(value) => match value.to_json_str() {
            // Compact, as one word in a table.
            Ok(text) => format!("`{}`", cell(&text.lines().map(str::trim).collect::<String>())),
            Err(error) => format!("error: {error}"),
        },
        Err(error) => {
            // The parser's report draws the source; the sentence is what counts.
            let text = error.to_string();
            let sentence = text.lines().find_map(|line| line.trim().strip_prefix("error: "));
            format!("error: {}", first_line(sentence.unwrap_or(&text)))
        }
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    cell(line.unwrap_or_default().trim_end_matches(':'))
}

/// As a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
