//! A service that delivers policies as the explainer does, and nothing else: revisions, waiting for another one, reports.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use engine::policy::bundle::Bundle;
use serde_json::Value;

/// The service. Cloned, it is the same one.
#[derive(Clone, Default)]
pub struct Delivery(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    current: Option<(String, Vec<u8>)>,
    reports: Vec<Value>,
    asked: usize,
}

/// A request, as far as it matters.
struct Asked {
    method: String,
    path: String,
    known: String,
    body: Vec<u8>,
}

impl Delivery {
    /// Listens on a port of loopback until the process ends.
    pub fn listen(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let delivery = Self::default();
        let service = delivery.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let service = service.clone();
                // A peer that goes away is nobody's business.
                thread::spawn(move || service.converse(stream).ok());
            }
        });
        Ok(delivery)
    }

    /// From now on this is the current bundle.
    pub fn deliver(&self, bundle: &Bundle) {
        self.deliver_as(&bundle.revision, bundle.to_json());
    }

    /// From now on these bytes are current, whatever they are.
    pub fn deliver_as(&self, revision: &str, json: Vec<u8>) {
        self.state().current = Some((revision.to_owned(), json));
        self.0.changed.notify_all();
    }

    /// What was reported, oldest first.
    pub fn reports(&self) -> Vec<Value> {
        self.state().reports.clone()
    }

    /// How often it was asked for policies.
    pub fn asked(&self) -> usize {
        self.state().asked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(asked) = read(&mut reader)? {
            let (status, tag, body) = self.answer(&asked);
            let tag = tag.map(|tag| format!("etag: \"{tag}\"\r\n")).unwrap_or_default();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{tag}content-length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(&body)?;
        }
        Ok(())
    }

    fn answer(&self, asked: &Asked) -> (u16, Option<String>, Vec<u8>) {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match (asked.method.as_str(), path) {
            ("GET", "/v1/policies") => {
                let wait = query
                    .strip_prefix("wait=")
                    .and_then(|wait| wait.parse().ok())
                    .unwrap_or(0);
                self.policies(&asked.known, Duration::from_secs(wait))
            }
            ("POST", "/v1/filter/status") => {
                let report = serde_json::from_slice(&asked.body).unwrap_or_default();
                self.state().reports.push(report);
                (204, None, Vec::new())
            }
            _ => (503, None, b"{}".to_vec()),
        }
    }

    fn policies(&self, known: &str, wait: Duration) -> (u16, Option<String>, Vec<u8>) {
        let until = Instant::now() + wait;
        let mut state = self.state();
        state.asked += 1;
        loop {
            match &state.current {
                Some((revision, json)) if revision != known => return (200, Some(revision.clone()), json.clone()),
                None if wait.is_zero() => {
                    let problem = br#"{"title":"No policies","detail":"Nothing is delivered yet."}"#;
                    return (404, None, problem.to_vec());
                }
                _ => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return match &state.current {
                    Some((revision, _)) => (304, Some(revision.clone()), Vec::new()),
                    None => (404, None, br#"{"detail":"Nothing is delivered yet."}"#.to_vec()),
                };
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// `None` when the peer has nothing more to say.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut known, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "if-none-match" => value.trim().trim_matches('"').clone_into(&mut known),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    Ok(Some(Asked {
        method,
        path,
        known,
        body,
    }))
}
