//! With a model: what it adds to a denial, what does not reach it, and how it is turned off.

use std::{
    fs,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::super::{
    models::{AGENT, AGENT_ROUTE},
    probe,
};
use super::{Demo, POD};

/// What an agent forgets to take out. Nobody's: it only looks like one.
const SECRET: &str = "ghp_Ab3dEf6hIj9kLmNoPqRsTuVwXyZ012345678";
/// A model has 30 s behind a denial, and others may be before it.
const PATIENCE: Duration = Duration::from_mins(2);

/// An answer to an agent.
struct Answered {
    status: u16,
    body: Value,
}

impl Demo<'_> {
    /// `first` is the number of leaves that the audit log had before the denial at `link`.
    pub(super) fn models(&self, out: &mut dyn Write, link: &str, first: u64) -> Result<()> {
        self.words(out, link, first)?;
        self.agent(out)?;
        self.switch_off(out)
    }

    /// How many leaves the audit log has.
    pub(super) fn leaves(&self) -> Result<u64> {
        let url = format!("{}/audit/checkpoint", self.stack.explainer_url());
        let note = self.text(&url)?;
        let size = note.lines().nth(1).and_then(|line| line.parse().ok());
        size.with_context(|| format!("{url} is no checkpoint: {note}"))
    }

    fn words(&self, out: &mut dyn Write, link: &str, first: u64) -> Result<()> {
        self.begin(
            out,
            "Behind the denial of step 1 a small model was asked for words. What it says is shown when the guards let it pass.",
        )?;
        writeln!(out, "$ curl -s -H 'Accept: application/json' {link} | jq .words")?;
        let (mut words, mut refused) = (Value::Null, None);
        probe::until(PATIENCE, || {
            words = self.explanation(link)?.get("words").cloned().unwrap_or_default();
            refused = self.event("model-refused", first, |payload| is_of(payload, "purpose", "explain"))?;
            let is_there = !words.is_null() || refused.is_some();
            Ok((!is_there).then(|| format!("{link} has no words of a model, and nothing says why")))
        })?;
        writeln!(out, "{words:#}")?;
        if let (true, Some(event)) = (words.is_null(), refused) {
            writeln!(
                out,
                "\nNone, and the denial is whole without them. Why is in the audit log:\n"
            )?;
            self.show(out, &event)?;
            // The guard's own leaf, of the same call.
            let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
            let fired = self.event("guard-fired", first, |payload| is_of(payload, "purpose", "explain"))?;
            if let Some(fired) = fired.filter(|fired| fired.get("index").and_then(Value::as_u64) < Some(index)) {
                self.show(out, &fired)?;
            }
        }
        writeln!(
            out,
            "\n$ curl -s {}/metrics | grep whynot_model_words",
            self.stack.explainer_url()
        )?;
        let metrics = self.text(&format!("{}/metrics", self.stack.explainer_url()))?;
        for line in metrics.lines().filter(|line| line.starts_with("whynot_model_words")) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn agent(&self, out: &mut dyn Write) -> Result<()> {
        self.begin(
            out,
            "An agent of the platform asks the model, and forgets a token in its question. The token is taken out before it is sent.",
        )?;
        let first = self.leaves()?;
        let began = Instant::now();
        let answered = self.chat(out)?;
        if answered.status != 200 && answered.status != 502 {
            bail!(
                "the agent should have been answered: {} {}",
                answered.status,
                answered.body
            );
        }
        writeln!(
            out,
            "\n{:.1} s. The leaf of the call in the audit log:\n",
            began.elapsed().as_secs_f32()
        )?;
        if answered.body.to_string().contains(SECRET) {
            bail!("the secret came back");
        }
        if answered.status == 502 {
            // What a small model says to an agent may be refused, too.
            let refused = self.awaited("model-refused", first)?;
            return self.show(out, &refused);
        }
        let called = self.awaited("model-called", first)?;
        self.show(out, &called)?;
        let redacted = called.pointer("/payload/guardsIn/redacted").and_then(Value::as_object);
        if redacted.is_none_or(serde_json::Map::is_empty) {
            bail!("the secret should have been taken out: {called}");
        }
        Ok(())
    }

    fn switch_off(&self, out: &mut dyn Write) -> Result<()> {
        self.begin(
            out,
            "Models are turned off. Denials go on, in words that need no model.",
        )?;
        let killed = self.whynot(out, &["gateway", "kill", "--reason", "a drill"])?;
        if !killed.success {
            bail!("models should be off");
        }
        writeln!(out)?;
        let whole = self.without_models(out);
        writeln!(out)?;
        // On again, whatever came of it.
        let allowed = self.whynot(out, &["gateway", "allow", "--reason", "the drill is over"])?;
        whole?;
        if !allowed.success {
            bail!("models should be on again");
        }
        writeln!(out)?;
        self.whynot(out, &["gateway", "status"]).map(drop)
    }

    fn without_models(&self, out: &mut dyn Write) -> Result<()> {
        let refused = self.chat(out)?;
        if refused.body.pointer("/error/code") != Some(&json!("models_off")) {
            bail!("no model should have been asked: {}", refused.body);
        }
        self.clean()?;
        writeln!(out, "\n$ kubectl apply -f {POD} 2>&1 | tail -n +2 | head -n 4")?;
        let output = self
            .kubectl(&["apply", "-f", POD])
            .output()
            .context("running kubectl")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() || !text.contains("Fix (checked") {
            bail!("the Pod should have been denied, with its fix: {text}");
        }
        for line in text.lines().skip(1).take(4) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// One chat completion, as the platform's agent asks for it.
    fn chat(&self, out: &mut dyn Write) -> Result<Answered> {
        let settings = self.stack.settings();
        let question = format!("Repeat this: our pipeline uses the token {SECRET}.");
        let body = json!({
            "model": AGENT_ROUTE, "messages": [{"role": "user", "content": question}], "max_tokens": 40, "temperature": 0,
        });
        let url = format!("{}/v1/chat/completions", self.stack.explainer_url());
        let file = settings.agent_token_file();
        writeln!(
            out,
            "$ curl -s {url} -H \"authorization: Bearer $(cat {})\" -d '{body}' \\\n    | jq -c '.error // .choices[0].message.content, .whynot'",
            self.shown_path(&file)
        )?;
        let client = probe::client(&self.stack.ca_file())?;
        let token = fs::read_to_string(&file)?;
        let mut answer = client
            .post(&url)
            .config()
            .timeout_global(Some(PATIENCE))
            .build()
            .header("authorization", &format!("Bearer {}", token.trim()))
            .header("content-type", "application/json")
            .send(body.to_string())
            .with_context(|| format!("asking {url}"))?;
        let text = answer.body_mut().read_to_string()?;
        let body: Value = serde_json::from_str(&text).with_context(|| format!("{url} did not answer JSON: {text}"))?;
        for shown in ["/error", "/choices/0/message/content", "/whynot"] {
            if let Some(shown) = body.pointer(shown) {
                writeln!(out, "{shown}")?;
            }
        }
        Ok(Answered {
            status: answer.status().as_u16(),
            body,
        })
    }

    /// The leaf of a call of the platform's agent.
    fn awaited(&self, kind: &str, first: u64) -> Result<Value> {
        let mut found = None;
        probe::until(Duration::from_secs(10), || {
            found = self.event(kind, first, |payload| is_of(payload, "agent", AGENT))?;
            Ok(found.is_none().then(|| format!("there is no {kind} in the audit log")))
        })?;
        found.context("a leaf")
    }

    /// The first event of a kind, from a leaf on, whose payload is meant.
    fn event(&self, kind: &str, first: u64, is: impl Fn(&Value) -> bool) -> Result<Option<Value>> {
        let url = format!(
            "{}/v1/audit/events?kind={kind}&from={first}&limit=100",
            self.stack.explainer_url()
        );
        let page = self.explanation(&url)?;
        let items = page.get("items").and_then(Value::as_array).into_iter().flatten();
        let mut meant = items.filter(|item| item.get("payload").is_some_and(&is));
        Ok(meant.next().cloned())
    }

    fn show(&self, out: &mut dyn Write, event: &Value) -> Result<()> {
        let member = |name: &str| event.get(name).cloned().unwrap_or_default();
        let (kind, index) = (member("kind"), member("index"));
        writeln!(
            out,
            "$ curl -s -H \"authorization: Bearer $(cat {})\" '{}/v1/audit/events?kind={}&from={index}&limit=1' | jq -c '.items[0].payload'\n{}",
            self.shown_path(&self.stack.settings().token_file()),
            self.stack.explainer_url(),
            kind.as_str().unwrap_or_default(),
            member("payload")
        )?;
        Ok(())
    }

    fn text(&self, url: &str) -> Result<String> {
        let client = probe::client(&self.stack.ca_file())?;
        let mut answer = client.get(url).call().with_context(|| format!("asking {url}"))?;
        Ok(answer.body_mut().read_to_string()?)
    }
}

fn is_of(payload: &Value, member: &str, value: &str) -> bool {
    payload.get(member).and_then(Value::as_str) == Some(value)
}
