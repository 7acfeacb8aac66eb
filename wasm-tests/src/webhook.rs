//! Somebody else's webhook: over TLS, and as good or as bad as it is told to be.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};

/// How it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// It allows, with these warnings.
    Allow(Vec<String>),
    /// It denies, in these words, with a warning and an audit annotation.
    Deny(String),
    /// The same in chunks, with a trailer at the end.
    DenyInChunks(String),
    /// The same compressed, whether or not that was asked for.
    DenyCompressed(String),
    /// It allows, and adds a label to the object.
    Patch,
    /// It allows in an answer of so many bytes.
    Large(usize),
    /// A denial to another request.
    WrongUid,
    /// JSON that ends too early.
    HalfJson,
    /// It promises more than it sends.
    HalfBody,
    /// An HTTP status, and a denial with it.
    Status(u16),
    /// What is no answer to a review.
    Nonsense,
    /// It denies, so late.
    Slow(Duration),
    /// It closes the connection without a word.
    HangUp,
}

/// What it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Request line and headers, as they came.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// It listens until the process ends.
#[derive(Debug, Clone)]
pub struct Webhook {
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Webhook {
    /// Listens with the certificate that a stack made for Envoy, in its folder `tls`.
    pub fn listen(port: u16, tls: &Path) -> Result<Self> {
        let pem = |name: &str| File::open(tls.join(name)).with_context(|| format!("opening {name}"));
        let chain = CertificateDer::pem_reader_iter(pem("admission.crt")?).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_reader(pem("admission.key")?);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                chain.map_err(|error| anyhow!("admission.crt: {error}"))?,
                key.map_err(|error| anyhow!("admission.key: {error}"))?,
            )?;
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let webhook = Self {
            manner: Arc::new(Mutex::new(Manner::Allow(Vec::new()))),
            asked: Arc::default(),
        };
        let server = webhook.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, config) = (server.clone(), Arc::clone(&config));
                // A peer that goes away is none of the test's business.
                thread::spawn(move || server.serve(stream, config).ok());
            }
        });
        Ok(webhook)
    }

    /// From now on it does this.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// What it was asked since this was called last.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn serve(&self, tcp: TcpStream, config: Arc<ServerConfig>) -> Result<()> {
        let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, tcp));
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
            head.push_str(&line);
        }
        let mut body = Vec::new();
        (&mut stream).take(length).read_to_end(&mut body)?;
        let review: Value = serde_json::from_slice(&body)?;
        let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let review = Echo {
            version: text("/apiVersion"),
            uid: text("/request/uid"),
        };
        let manner = self.manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Asked { head, body });
        let stream = stream.get_mut();
        answer(stream, review, &manner)?;
        stream.conn.send_close_notify();
        stream.flush()?;
        Ok(())
    }
}

/// What an answer has of its review.
#[derive(Clone, Copy)]
struct Echo<'r> {
    version: &'r str,
    uid: &'r str,
}

fn answer(out: &mut impl Write, review: Echo<'_>, manner: &Manner) -> Result<()> {
    let allowed = |more: Value| {
        let mut response = json!({"uid": review.uid, "allowed": true});
        if let (Some(members), Value::Object(more)) = (response.as_object_mut(), more) {
            members.extend(more);
        }
        envelope(review.version, &response)
    };
    match manner {
        Manner::Allow(warnings) => whole(out, 200, "", allowed(json!({"warnings": warnings})).as_bytes()),
        Manner::Deny(message) => whole(out, 200, "", denial(review, message).as_bytes()),
        Manner::DenyInChunks(message) => {
            let body = denial(review, message);
            out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n")?;
            for chunk in body.as_bytes().chunks(50) {
                write!(out, "{:x}\r\n", chunk.len())?;
                out.write_all(chunk)?;
                out.write_all(b"\r\n")?;
                out.flush()?;
            }
            out.write_all(b"0\r\nx-end: yes\r\n\r\n")?;
            Ok(())
        }
        Manner::DenyCompressed(message) => {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(denial(review, message).as_bytes())?;
            whole(out, 200, "content-encoding: gzip\r\n", &packed.finish()?)
        }
        Manner::Patch => {
            let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"patched": "yes"}}]).to_string();
            let more = json!({"patchType": "JSONPatch", "patch": STANDARD.encode(patch), "warnings": ["patched"]});
            whole(out, 200, "", allowed(more).as_bytes())
        }
        Manner::Large(size) => {
            let annotations = json!({"auditAnnotations": {"large": "x".repeat(*size)}});
            whole(out, 200, "", allowed(annotations).as_bytes())
        }
        Manner::WrongUid => whole(
            out,
            200,
            "",
            denial(
                Echo {
                    uid: "another",
                    ..review
                },
                "no",
            )
            .as_bytes(),
        ),
        Manner::HalfJson => {
            let body = denial(review, "no");
            whole(out, 200, "", body.get(..body.len() / 2).unwrap_or_default().as_bytes())
        }
        Manner::HalfBody => {
            let body = denial(review, "no");
            write!(
                out,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len() + 99
            )?;
            out.write_all(body.as_bytes())?;
            Ok(())
        }
        Manner::Status(status) => whole(out, *status, "", denial(review, "no").as_bytes()),
        Manner::Nonsense => whole(out, 200, "", b"OK"),
        Manner::Slow(time) => {
            thread::sleep(*time);
            whole(out, 200, "", denial(review, "late").as_bytes())
        }
        Manner::HangUp => Ok(()),
    }
}

fn whole(out: &mut impl Write, status: u16, headers: &str, body: &[u8]) -> Result<()> {
    let length = body.len();
    write!(
        out,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    out.write_all(body)?;
    Ok(())
}

/// In an order and with blanks that no serialiser of ours would make.
fn envelope(version: &str, response: &Value) -> String {
    format!(r#"{{ "response":{response}, "kind" : "AdmissionReview","apiVersion":"{version}" }}"#) + "\n"
}

fn denial(review: Echo<'_>, message: &str) -> String {
    envelope(
        review.version,
        &json!({
            "uid": review.uid, "allowed": false, "status": {"code": 403, "message": message, "metadata": {}},
            "warnings": ["take care"], "auditAnnotations": {"by": "another"},
        }),
    )
}
