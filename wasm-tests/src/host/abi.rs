//! The numbers and encodings of proxy-wasm ABI 0.2.1.

/// Names and values, in order. Values may hold any byte.
pub type Headers = Vec<(String, Vec<u8>)>;

/// What a host function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No such key, map or buffer.
    NotFound = 1,
    /// An argument makes no sense here: also a map that is not there in this phase.
    BadArgument = 2,
    /// A queue is empty.
    Empty = 7,
    /// Somebody else wrote the shared value first.
    CasMismatch = 8,
    /// The host failed. Also stands for "not implemented" (12): the SDK's own enumeration does not know that number.
    InternalFailure = 10,
}

/// Levels of the filter's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl LogLevel {
    pub(super) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    CallResponseHeaders,
    CallResponseTrailers,
}

impl Map {
    pub(super) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RequestHeaders,
            1 => Self::RequestTrailers,
            2 => Self::ResponseHeaders,
            6 => Self::CallResponseHeaders,
            7 => Self::CallResponseTrailers,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Buffer {
    RequestBody,
    ResponseBody,
    CallResponseBody,
    VmConfiguration,
    PluginConfiguration,
}

impl Buffer {
    pub(super) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RequestBody,
            1 => Self::ResponseBody,
            4 => Self::CallResponseBody,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            _ => return None,
        })
    }
}

pub(super) const ACTION_CONTINUE: u32 = 0;

pub(super) fn headers<N: AsRef<str>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Headers {
    pairs
        .into_iter()
        .map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_vec()))
        .collect()
}

/// Lengths first, then each name and value with a NUL behind it.
pub(super) fn encode_map(map: &Headers) -> Vec<u8> {
    let mut bytes = length(map.len()).to_vec();
    for (name, value) in map {
        bytes.extend(length(name.len()));
        bytes.extend(length(value.len()));
    }
    for (name, value) in map {
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend(value);
        bytes.push(0);
    }
    bytes
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// `None` when the bytes are no map.
pub(super) fn decode_map(bytes: &[u8]) -> Option<Headers> {
    if bytes.is_empty() {
        return Some(Headers::new());
    }
    let mut lengths = bytes;
    let count = take_length(&mut lengths)?;
    let mut texts = lengths.get(count.checked_mul(8)?..)?;
    let mut map = Headers::new();
    for _ in 0..count {
        let (name, value) = (take_length(&mut lengths)?, take_length(&mut lengths)?);
        let name = String::from_utf8(take_text(&mut texts, name)?).ok()?;
        map.push((name, take_text(&mut texts, value)?));
    }
    Some(map)
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

fn take_text(bytes: &mut &[u8], length: usize) -> Option<Vec<u8>> {
    let text = bytes.get(..length)?.to_vec();
    *bytes = bytes.get(length.checked_add(1)?..)?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_survives_the_way_there_and_back() {
        let map = headers([
            (":path", &b"/validate"[..]),
            ("x-raw", &[0xff, 0, 0x80]),
            ("empty", b""),
        ]);
        assert_eq!(decode_map(&encode_map(&map)), Some(map));
        assert_eq!(decode_map(&[]), Some(vec![]));
        assert_eq!(decode_map(&[1, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, b'a']), None);
        assert_eq!(decode_map(&[0xff; 12]), None);
    }
}
