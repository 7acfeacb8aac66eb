//! An explainer that behaves badly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with a request that it has read.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Answers with this status and body.
    Answer(u16, Vec<u8>),
    /// Sends these bytes, whatever they are, and closes.
    Raw(Vec<u8>),
    /// Never answers.
    Hang,
    /// Promises a body and never sends it.
    HangInBody,
    /// Sends a byte now and then.
    Drip,
    /// Never stops sending.
    Flood,
}

#[derive(Clone)]
pub(crate) struct Fake {
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<usize>>,
}

impl Fake {
    /// Listens until the process ends.
    pub(crate) fn listen(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let fake = Self {
            manner: Arc::new(Mutex::new(Manner::Hang)),
            asked: Arc::default(),
        };
        let server = fake.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A peer that goes away is none of the test's business.
                std::thread::spawn(move || server.serve(stream).ok());
            }
        });
        fake
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How many requests it has had.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        reader.take(length).read_to_end(&mut Vec::new())?;
        *self.asked.lock().unwrap() += 1;
        let manner = self.manner.lock().unwrap().clone();
        let head = |status: u16, length: usize| {
            format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            )
        };
        match manner {
            Manner::Answer(status, body) => {
                stream.write_all(head(status, body.len()).as_bytes())?;
                stream.write_all(&body)
            }
            Manner::Raw(bytes) => stream.write_all(&bytes),
            Manner::Hang => {
                wait();
                Ok(())
            }
            Manner::HangInBody => {
                stream.write_all(head(200, 100).as_bytes())?;
                stream.write_all(b"{\"id\":")?;
                wait();
                Ok(())
            }
            Manner::Drip => {
                stream.write_all(head(200, 1000).as_bytes())?;
                loop {
                    stream.write_all(b" ")?;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            Manner::Flood => {
                stream.write_all(
                    b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
                )?;
                let chunk = format!("{:x}\r\n{}\r\n", 65536, "x".repeat(65536));
                loop {
                    stream.write_all(chunk.as_bytes())?;
                }
            }
        }
    }
}

fn wait() {
    std::thread::sleep(Duration::from_mins(1));
}
