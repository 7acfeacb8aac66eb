//! A provider of models for tests: it speaks `OpenAI`'s chat completions, streamed as real ones do it, says what it is told to, and
//! remembers what it was asked.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// What is said to a request.
type Says = dyn Fn(&Value) -> String + Send + Sync;

/// A provider that ends with this process.
#[derive(Debug, Clone)]
pub struct Provider {
    port: u16,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Provider {
    /// Listens on a free port.
    pub fn listen(says: impl Fn(&Value) -> String + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let provider = Self {
            port: listener.local_addr()?.port(),
            asked: Arc::default(),
        };
        let (says, asked): (Arc<Says>, _) = (Arc::new(says), Arc::clone(&provider.asked));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (says, asked) = (Arc::clone(&says), Arc::clone(&asked));
                // Who goes away is not missed.
                thread::spawn(move || drop(serve(connection, &*says, &asked)));
            }
        });
        Ok(provider)
    }

    /// Where its interface begins.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The bodies of all requests until now.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(connection: TcpStream, says: &Says, asked: &Mutex<Vec<Value>>) -> Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut connection = connection;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().context("a length")?;
            }
        }
        let mut body = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut body)?;
        let body: Value = serde_json::from_slice(&body)?;
        let text = says(&body);
        let is_stream = body.get("stream") == Some(&Value::Bool(true));
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        if is_stream {
            connection.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
            )?;
            for event in streamed(&text) {
                // Each in a piece of its own, as they come.
                write!(connection, "{:x}\r\n{event}\r\n", event.len())?;
                connection.flush()?;
            }
            connection.write_all(b"0\r\n\r\n")?;
        } else {
            let whole = whole(&text);
            write!(
                connection,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{whole}",
                whole.len()
            )?;
        }
    }
}

fn usage() -> Value {
    json!({"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160})
}

fn whole(text: &str) -> String {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    json!({"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage()}).to_string()
}

/// A word an event, then the end and the usage.
fn streamed(text: &str) -> Vec<String> {
    let event = |choices: Value, usage: Value| {
        let data = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices, "usage": usage});
        format!("data: {data}\n\n")
    };
    let words = text.split_inclusive(' ').map(|word| {
        let delta = json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]);
        event(delta, Value::Null)
    });
    let end = [
        event(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), Value::Null),
        event(json!([]), usage()),
        "data: [DONE]\n\n".to_owned(),
    ];
    words.chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_whole_and_as_a_stream_and_remembers() {
        let provider = Provider::listen(|body| format!("you said {}", body["n"])).expect("listening");
        let ask = |body: &str| {
            let mut answer = ureq::post(format!("{}/chat/completions", provider.url()))
                .send(body)
                .expect("answered");
            answer.body_mut().read_to_string().expect("text")
        };
        let whole: Value = serde_json::from_str(&ask(r#"{"n": 1}"#)).expect("JSON");
        assert_eq!(whole.pointer("/choices/0/message/content"), Some(&json!("you said 1")));
        let stream = ask(r#"{"n": 2, "stream": true}"#);
        assert!(
            stream.contains(r#"{"content":"said "}"#) && stream.ends_with("data: [DONE]\n\n"),
            "{stream}"
        );
        assert_eq!(provider.asked().len(), 2);
    }
}
