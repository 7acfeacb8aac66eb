//! Server-sent events, as they come in pieces: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

/// Bytes that are not a whole event yet. Whoever pushes bounds how many.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Option<String>,
}

impl Events {
    /// Takes a piece; the data of the events that end in it.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        for byte in piece {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                events.extend(self.data.take());
            } else if let Some(data) = line.strip_prefix("data:") {
                let data = data.strip_prefix(' ').unwrap_or(data);
                match &mut self.data {
                    None => self.data = Some(data.to_owned()),
                    Some(before) => {
                        before.push('\n');
                        before.push_str(data);
                    }
                }
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let text =
            ": ping\r\n\r\nevent: a\r\ndata: {\"x\":\"ä\"}\r\n\r\ndata:one\ndata: two\nid: 3\n\ndata: unfinished";
        let expected = ["{\"x\":\"ä\"}", "one\ntwo"];
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<String> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| events.push(piece))
                .collect();
            assert_eq!(found, expected, "{size}");
        }
    }
}
