//! A provider of models that answers at once: what a gateway before it takes is then its own time.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// What it always says.
const TEXT: &str = "The policy pod-security/run-as-non-root denies this Deployment, because its container may run as root. Set \
                    securityContext.runAsNonRoot to true, and use an image whose user is not root.";

/// It speaks chat completions, as a stream or not, to any number of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provider {
    port: u16,
}

impl Provider {
    /// It ends with this process.
    pub(crate) fn listen() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (whole, stream) = (
            response("application/json", &whole()),
            response("text/event-stream", &streamed()),
        );
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (whole, stream) = (whole.clone(), stream.clone());
                // Who goes away is not missed.
                thread::spawn(move || drop(serve(connection, &whole, &stream)));
            }
        });
        Ok(Self { port })
    }

    /// Where its interface begins.
    pub(crate) fn url(self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}

fn serve(mut connection: TcpStream, whole: &[u8], stream: &[u8]) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        while let Some(length) = complete(&buffer) {
            let request: Vec<u8> = buffer.drain(..length).collect();
            let wants_stream = contains(&request, b"\"stream\":true") || contains(&request, b"\"stream\": true");
            connection.write_all(if wants_stream { stream } else { whole })?;
        }
        let read = connection.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(piece.get(..read).context("what was read")?);
    }
}

/// How long the first request in these bytes is, once it is there.
fn complete(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + length.unwrap_or(0);
    (bytes.len() >= whole).then_some(whole)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn response(content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn usage() -> Value {
    json!({"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160})
}

fn whole() -> String {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"});
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_793_000_000, "model": "bench",
        "choices": [choice], "usage": usage(),
    });
    answer.to_string()
}

/// A token a chunk, as providers do it.
fn streamed() -> String {
    let chunk = |choices: Value, usage: Value| {
        let data = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_793_000_000, "model": "bench",
            "choices": choices, "usage": usage,
        });
        format!("data: {data}\n\n")
    };
    let words = TEXT.split_inclusive(' ');
    let mut text: String = words
        .map(|word| {
            chunk(
                json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]),
                Value::Null,
            )
        })
        .collect();
    text += &chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), Value::Null);
    text += &chunk(json!([]), usage());
    text + "data: [DONE]\n\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_complete_with_its_body() {
        let request = b"POST /v1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET";
        assert_eq!(complete(request), Some(request.len() - 3));
        assert_eq!(complete(&request[..request.len() - 4]), None);
        assert_eq!(complete(b"GET / HTTP/1.1\r\n"), None);
    }

    #[test]
    fn it_answers_whole_and_as_a_stream() {
        let provider = Provider::listen().expect("listening");
        let ask = |body: &str| {
            let mut answer = ureq::post(format!("{}/chat/completions", provider.url()))
                .send(body)
                .expect("answered");
            answer.body_mut().read_to_string().expect("text")
        };
        let answer: Value = serde_json::from_str(&ask("{}")).expect("JSON");
        assert_eq!(answer.pointer("/choices/0/message/content"), Some(&json!(TEXT)));
        let stream = ask(r#"{"stream":true}"#);
        assert!(
            stream.starts_with("data: {") && stream.ends_with("data: [DONE]\n\n"),
            "{stream}"
        );
    }
}
