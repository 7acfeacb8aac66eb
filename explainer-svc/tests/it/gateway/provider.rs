//! A provider on a raw socket: it speaks both protocols, and does whatever a test wants to go wrong.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is done with a connection after a request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Write(Vec<u8>),
    Wait(Duration),
    /// The end of the connection, in order.
    Close,
    /// An RST.
    Reset,
}

/// A request as it was on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Value,
}

type Behaviour = dyn Fn(usize, &Seen) -> Vec<Step> + Send + Sync;

pub(crate) struct Provider {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) most: Arc<AtomicUsize>,
}

impl Provider {
    /// `behaviour` gets the number of the request, from 0.
    pub(crate) async fn start(behaviour: impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            open: Arc::default(),
            most: Arc::default(),
        };
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let (seen, open, most) = (provider.seen.clone(), provider.open.clone(), provider.most.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behaviour, seen, open, most) = (behaviour.clone(), seen.clone(), open.clone(), most.clone());
                tokio::spawn(async move { serve(stream, &*behaviour, &seen, &open, &most).await });
            }
        });
        provider
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn serve(
    mut stream: TcpStream,
    behaviour: &Behaviour,
    seen: &Mutex<Vec<Seen>>,
    open: &AtomicUsize,
    most: &AtomicUsize,
) {
    let mut buffer = Vec::new();
    loop {
        let Some(request) = request(&mut stream, &mut buffer).await else {
            return;
        };
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let now = open.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        for step in behaviour(number, &request) {
            match step {
                Step::Write(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Close => {
                    open.fetch_sub(1, Ordering::SeqCst);
                    return;
                }
                Step::Reset => {
                    open.fetch_sub(1, Ordering::SeqCst);
                    let _ = stream.set_zero_linger();
                    return;
                }
            }
        }
        open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            let length = length.unwrap_or(0);
            if buffer.len() >= end + 4 + length {
                let body = serde_json::from_slice(&buffer[end + 4..end + 4 + length]).unwrap_or_default();
                buffer.drain(..end + 4 + length);
                return Some(Seen { head, body });
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&piece[..read]),
        }
    }
}

/// A response that is whole.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    vec![Step::Write(head.into_bytes()), Step::Write(body.as_bytes().to_vec())]
}

pub(crate) fn json_response(body: &Value) -> Vec<Step> {
    response("200 OK", "content-type: application/json\r\n", &body.to_string())
}

/// The head of a stream, which ends with its connection.
pub(crate) fn stream_head() -> Step {
    Step::Write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n".to_vec(),
    )
}

pub(crate) fn event(data: &Value) -> Step {
    Step::Write(format!("data: {data}\n\n").into_bytes())
}

pub(crate) fn usage(input: u64, output: u64) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

/// A good answer as a stream of `OpenAI`'s.
pub(crate) fn streamed(text: &str, input: u64, output: u64) -> Vec<Step> {
    let mut steps = vec![stream_head()];
    for word in text.split_inclusive(' ') {
        steps.push(event(
            &json!({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}]}),
        ));
    }
    steps.push(event(
        &json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ));
    steps.push(event(&json!({"choices": [], "usage": usage(input, output)})));
    steps.push(Step::Write(b"data: [DONE]\n\n".to_vec()));
    steps.push(Step::Close);
    steps
}

/// A good answer at once.
pub(crate) fn answer(text: &str, input: u64, output: u64) -> Vec<Step> {
    json_response(&json!({
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": usage(input, output),
    }))
}

/// A good answer as a stream of Anthropic's.
pub(crate) fn messages(text: &str, input: u64, output: u64) -> Vec<Step> {
    let named =
        |data: Value| Step::Write(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()).into_bytes());
    vec![
        stream_head(),
        named(
            json!({"type": "message_start", "message": {"usage": {"input_tokens": input, "cache_read_input_tokens": 3, "output_tokens": 1}}}),
        ),
        named(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        named(json!({"type": "ping"})),
        named(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})),
        named(json!({"type": "content_block_stop", "index": 0})),
        named(
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": output}}),
        ),
        named(json!({"type": "message_stop"})),
    ]
}
