//! Load from wrk: many different bodies in turn, over TLS connections that stay open.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// Requests are made before the load starts; while it runs, the next one is handed out.
const SCRIPT: &str = r#"
local requests, turn, pause = {}, 0, 0
function init(args)
  local headers = {["Content-Type"] = "application/json", ["Authorization"] = args[2]}
  pause = tonumber(args[3] or 0)
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
  if pause > 0 then
    -- Spread, so that connections do not keep step.
    function delay()
      return math.random(0, 2 * pause)
    end
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local failed = summary.errors
  io.write(string.format("FIGURES %d %f %f %f %d\n", summary.requests, summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99),
    failed.status + failed.connect + failed.read + failed.write + failed.timeout))
end
"#;

/// Reviews in a file, one a line, and the script that sends them.
#[derive(Debug)]
pub(crate) struct Bodies {
    script: PathBuf,
    file: PathBuf,
}

impl Bodies {
    pub(crate) fn write(folder: &Path, name: &str, reviews: &[Vec<u8>]) -> Result<Self> {
        let script = folder.join("load.lua");
        fs::write(&script, SCRIPT)?;
        let file = folder.join(format!("{name}.reviews"));
        let mut lines = Vec::new();
        for review in reviews {
            if review.contains(&b'\n') {
                bail!("a review with a line break cannot be sent by this script");
            }
            lines.extend_from_slice(review);
            lines.push(b'\n');
        }
        fs::write(&file, lines)?;
        Ok(Self { script, file })
    }
}

/// One run of the load generator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Sends the reviews to `url` for so long; every answer must be a 200.
pub(crate) fn load(url: &str, bodies: &Bodies, connections: u32, seconds: u32) -> Result<Load> {
    send(&format!("{url}?timeout=30s"), bodies, connections, seconds, None)
}

/// The same for requests that need a token, with a pause (in milliseconds, on average) before each request of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    pub(crate) token: &'a str,
    pub(crate) pause: u32,
}

/// Sends the bodies for so long; every answer must be a 200.
pub(crate) fn send(
    url: &str,
    bodies: &Bodies,
    connections: u32,
    seconds: u32,
    manner: Option<Manner<'_>>,
) -> Result<Load> {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--timeout", "30s"])
        .args(["--connections".to_owned(), connections.to_string()])
        .args(["--duration".to_owned(), format!("{seconds}s")])
        .arg("--script")
        .arg(&bodies.script)
        .arg(url)
        .arg("--")
        .arg(&bodies.file);
    if let Some(Manner { token, pause }) = manner {
        command.arg(format!("Bearer {token}")).arg(pause.to_string());
    }
    let output = command
        .output()
        .context("starting wrk (`just setup bench` installs it)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("FIGURES "))
        .with_context(|| {
            format!(
                "wrk printed no figures, but: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
    let (requests, rest) = line.split_once(' ').context("wrk printed too little")?;
    let figures: Vec<f64> = rest.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let &[per_second, p50_us, p99_us, failed] = figures.as_slice() else {
        bail!("wrk printed {line:?}")
    };
    if failed > 0.0 {
        bail!("{failed} of the requests to {url} failed");
    }
    Ok(Load {
        requests: requests.parse()?,
        per_second,
        p50_us,
        p99_us,
    })
}
