//! What the gateway to models takes, with its guards, budgets and durable audit log, beside `LiteLLM`'s proxy with none of these,
//! and beside nothing.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use wasm_tests::{
    fixtures::repository,
    stack::{Server, free_port},
};

use crate::{
    Arguments,
    contenders::resident,
    load::{Bodies, Load, Manner, send},
    provider::Provider,
    report::{Table, column, median},
    say,
};

/// Different questions, sent in turn.
const QUESTIONS: usize = 200;
const TOKEN: &str = "bench-token-0123456789abcdef";

/// How requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pace {
    connections: u32,
    /// Milliseconds between an answer and the next request of the same connection, on average.
    pause: u32,
}

/// One after the other; as many as there is room for; and so many connections that are not always busy.
const PACES: [Pace; 3] = [
    Pace {
        connections: 1,
        pause: 0,
    },
    Pace {
        connections: 64,
        pause: 0,
    },
    Pace {
        connections: 64,
        pause: 200,
    },
];

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// The provider itself.
    Direct,
    /// `whynot serve --gateway`.
    Gateway,
    /// `LiteLLM`'s proxy with so many workers.
    Litellm(u32),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("provider, directly"),
            Self::Gateway => f.write_str("whynot"),
            Self::Litellm(1) => f.write_str("litellm, 1 worker"),
            Self::Litellm(workers) => write!(f, "litellm, {workers} workers"),
        }
    }
}

struct Contender {
    who: Who,
    url: String,
    server: Option<Server>,
}

type Rounds = BTreeMap<(Pace, Who), Vec<Load>>;

pub(crate) fn run(arguments: &Arguments) -> Result<Table> {
    let folder = arguments.output.join("gateway");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let provider = Provider::listen()?;
    let bodies = Bodies::write(&arguments.output, "gateway", &questions())?;
    let workers: Vec<u32> = if arguments.workers() > 1 {
        vec![1, arguments.workers()]
    } else {
        vec![1]
    };
    let mut contenders = vec![
        Contender {
            who: Who::Direct,
            url: provider.url(),
            server: None,
        },
        gateway(&folder, provider)?,
    ];
    for workers in workers {
        contenders.push(litellm(&folder, provider, workers)?);
    }
    for contender in &contenders {
        contender.check()?;
        contender.load(
            &bodies,
            Pace {
                connections: 8,
                pause: 0,
            },
            2,
        )?;
    }
    let mut rounds = Rounds::new();
    for round in 0..arguments.rounds {
        say(&format!("gateway: round {} of {}", round + 1, arguments.rounds));
        for pace in PACES {
            // Nobody is always the first one.
            for contender in contenders.iter().cycle().skip(round).take(contenders.len()) {
                let load = contender.load(&bodies, pace, arguments.seconds)?;
                rounds.entry((pace, contender.who)).or_default().push(load);
            }
        }
    }
    table(arguments, &rounds, &contenders)
}

/// About as long as what an agent asks.
fn questions() -> Vec<Vec<u8>> {
    let question = |number: usize| {
        let text = format!(
            "The Deployment service-{number} in the namespace team-{} was denied by pod-security/run-as-non-root: \
             spec.template.spec.containers[0].securityContext.runAsNonRoot is not set. The team has hit this rule {} times \
             this month. Explain in two sentences why it matters and what to change.",
            number % 20,
            number % 7
        );
        let system = json!({"role": "system", "content": "You explain Kubernetes admission denials to developers."});
        let body = json!({
            "model": "bench", "max_tokens": 200, "messages": [system, {"role": "user", "content": text}],
        });
        body.to_string().into_bytes()
    };
    (0..QUESTIONS).map(question).collect()
}

fn gateway(folder: &Path, provider: Provider) -> Result<Contender> {
    let whynot = released("whynot")?;
    say("starting: whynot");
    let folder = folder.join("whynot");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("token"), TOKEN)?;
    fs::write(
        folder.join("prices.yaml"),
        "asOf: 2026-11-01\nmodels:\n  bench: {input: 1, output: 4}\n",
    )?;
    let settings = json!({
        "apiVersion": "whynot.dev/v1", "kind": "Gateway", "prices": "prices.yaml",
        "providers": [{
            "name": "local", "kind": "openai", "url": provider.url(), "region": "here", "models": ["bench"],
            "concurrency": 256, "stream": false,
        }],
        "routes": [{"model": "bench", "targets": [{"provider": "local", "model": "bench"}]}],
        "agents": [{"name": "bench", "team": "bench", "token": {"file": "token"}, "models": ["bench"], "purposes": ["chat"]}],
        // Never spent, and reserved and settled all the same.
        "budgets": [{"name": "everybody", "period": "month", "dollars": {"hard": 1_000_000}}],
    });
    fs::write(folder.join("gateway.yaml"), settings.to_string())?;
    let port = free_port()?;
    let mut command = Command::new(whynot);
    command
        .args(["serve", "--log-level=error", "--listen"])
        .arg(format!("127.0.0.1:{port}"))
        .arg("--database")
        .arg(format!("sqlite://{}", folder.join("whynot.db").display()))
        .arg("--gateway")
        .arg(folder.join("gateway.yaml"));
    let ready = format!("http://127.0.0.1:{port}/readyz");
    Ok(Contender {
        who: Who::Gateway,
        url: format!("http://127.0.0.1:{port}/v1"),
        server: Some(Server::start(
            "whynot",
            &command,
            &folder,
            &ready,
            Duration::from_secs(30),
        )?),
    })
}

/// As its documentation has it for production, without a database.
fn litellm(folder: &Path, provider: Provider, workers: u32) -> Result<Contender> {
    let program = script("scripts/litellm-setup.sh", &[])?;
    let who = Who::Litellm(workers);
    say(&format!("starting: {who}"));
    let folder = folder.join(format!("litellm-{workers}"));
    fs::create_dir_all(&folder)?;
    let settings = json!({
        "model_list": [{
            "model_name": "bench",
            "litellm_params": {"model": "openai/bench", "api_base": provider.url(), "api_key": "none"},
        }],
        "general_settings": {"master_key": TOKEN},
        "litellm_settings": {"telemetry": false, "request_timeout": 30},
    });
    let file = folder.join("config.yaml");
    fs::write(&file, settings.to_string())?;
    let port = free_port()?;
    let mut command = Command::new(program);
    command
        .env("LITELLM_MODE", "PRODUCTION")
        .env("LITELLM_LOG", "ERROR")
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env_remove("DATABASE_URL")
        .arg("--config")
        .arg(&file)
        .args(["--host", "127.0.0.1", "--telemetry", "False", "--port"])
        .args([port.to_string(), "--num_workers".to_owned(), workers.to_string()]);
    let ready = format!("http://127.0.0.1:{port}/health/readiness");
    Ok(Contender {
        who,
        url: format!("http://127.0.0.1:{port}/v1"),
        server: Some(Server::start(
            "litellm",
            &command,
            &folder,
            &ready,
            Duration::from_mins(3),
        )?),
    })
}

impl Contender {
    /// What does not answer has nothing to be compared with.
    fn check(&self) -> Result<()> {
        let question = questions().into_iter().next().context("no question")?;
        let request = ureq::post(format!("{}/chat/completions", self.url))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {TOKEN}"));
        let text = request.send(question.as_slice())?.body_mut().read_to_string()?;
        let answer: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        let said = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
        ensure!(
            said.is_some_and(|said| said.contains("runAsNonRoot")),
            "{}: {text}",
            self.who
        );
        Ok(())
    }

    fn load(&self, bodies: &Bodies, pace: Pace, seconds: u32) -> Result<Load> {
        let url = format!("{}/chat/completions", self.url);
        let manner = Manner {
            token: TOKEN,
            pause: pace.pause,
        };
        let sent = send(&url, bodies, pace.connections, seconds, Some(manner));
        sent.with_context(|| self.who.to_string())
    }

    /// Resident memory of its processes, in MiB.
    fn resident(&self) -> Result<Option<f64>> {
        let Some(server) = &self.server else {
            return Ok(None);
        };
        let mut all = vec![server.process().pid()];
        let mut sum = 0.0;
        while let Some(pid) = all.pop() {
            sum += resident(pid)?;
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
        Ok(Some(sum))
    }
}

fn table(arguments: &Arguments, rounds: &Rounds, contenders: &[Contender]) -> Result<Table> {
    let title = format!(
        "Chat completions through a gateway, before a provider that answers at once; keep-alive, no TLS; {} rounds of {} s, in \
         turn. whynot with guards, a budget and the durable audit log; LiteLLM without a database. Overhead: p50 less that of the \
         provider asked directly, in the same round. Ratios: whynot's requests/s to this one's.",
        arguments.rounds, arguments.seconds
    );
    let columns = [
        column("connections", "conns", 0),
        column("pauseMs", "pause ms", 0),
        column("gateway", "gateway", 0),
        column("requestsPerSecond", "requests/s", 0),
        column("p50Ms", "p50 ms", 3),
        column("p99Ms", "p99 ms", 3),
        column("overheadMs", "overhead ms", 3),
        column("throughputRatio", "ratio of req/s", 1),
        column("residentMiB", "RSS MiB", 0),
    ];
    let mut table = Table::new(title, &columns);
    for ((pace, who), runs) in rounds {
        let middle = |of: fn(&Load) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
        let beside = |other: Who, of: fn(&Load, &Load) -> f64| {
            let others = rounds.get(&(*pace, other)).filter(|_| other != *who);
            let pairs = others.map(|others| runs.iter().zip(others).map(|(run, other)| of(run, other)));
            pairs.map_or(Value::Null, |pairs| json!(median(&pairs.collect::<Vec<_>>())))
        };
        let ratio = match who {
            // With pauses it is the pace that is compared.
            Who::Litellm(_) if pace.pause == 0 => beside(Who::Gateway, |run, ours| ours.per_second / run.per_second),
            Who::Litellm(_) | Who::Direct | Who::Gateway => Value::Null,
        };
        let contender = contenders.iter().find(|contender| contender.who == *who);
        table.row(&[
            json!(pace.connections),
            json!(pace.pause),
            json!(who.to_string()),
            json!(middle(|run| run.per_second)),
            json!(middle(|run| run.p50_us) / 1e3),
            json!(middle(|run| run.p99_us) / 1e3),
            beside(Who::Direct, |run, direct| (run.p50_us - direct.p50_us) / 1e3),
            ratio,
            json!(contender.context("a figure of nobody")?.resident()?),
        ]);
    }
    note(rounds, &mut table);
    Ok(table)
}

/// Against what is to be reached.
fn note(rounds: &Rounds, table: &mut Table) {
    let middle = |pace: Pace, who: Who, of: fn(&Load) -> f64| {
        let runs = rounds.get(&(pace, who))?;
        Some(median(&runs.iter().map(of).collect::<Vec<_>>()))
    };
    let [alone, busy, _] = PACES;
    let p50 = |who| middle(alone, who, |run| run.p50_us);
    if let (Some(ours), Some(direct)) = (p50(Who::Gateway), p50(Who::Direct)) {
        let overhead = (ours - direct) / 1e3;
        let met = if overhead < 1.0 { "below" } else { "NOT below" };
        table.note(format!(
            "One connection: {overhead:.3} ms of overhead at p50, {met} 1 ms."
        ));
    }
    let theirs = rounds
        .keys()
        .filter(|(pace, who)| *pace == busy && matches!(who, Who::Litellm(_)));
    let best = theirs
        .filter_map(|(_, who)| middle(busy, *who, |run| run.per_second))
        .fold(0.0, f64::max);
    if let Some(ours) = middle(busy, Who::Gateway, |run| run.per_second)
        && best > 0.0
    {
        let ratio = ours / best;
        let met = if ratio >= 10.0 { "at least" } else { "NOT" };
        table.note(format!(
            "64 connections: {ratio:.1} times the requests/s of LiteLLM with as many workers as are best for it, {met} 10 times."
        ));
    }
}

/// A program of this workspace, compiled in release mode.
pub(crate) fn released(name: &str) -> Result<PathBuf> {
    if let Some(given) = env::var_os("WHYNOT_BIN") {
        return Ok(given.into());
    }
    say("compiling whynot in release mode (cold some minutes)");
    let arguments = [
        "build",
        "--release",
        "--locked",
        "--package",
        "explainer-svc",
        "--bin",
        name,
    ];
    script("scripts/cargo.sh", &arguments)?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository("target"), PathBuf::from);
    Ok(target.join("release").join(name))
}

/// Runs a script of the repository; what it prints.
pub(crate) fn script(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let mut command = Command::new(repository(name));
    let output = command
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| name.to_owned())?;
    if !output.status.success() {
        bail!("{name} failed ({})", output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}
