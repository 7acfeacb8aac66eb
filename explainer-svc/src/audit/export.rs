//! The log as one file that needs no database: a line for the log, then a line a leaf.

use std::io::Write;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::store::Store;
use super::{Error, PublicKey, SignedCheckpoint};

/// The format's name and version.
pub(super) const FORMAT: &str = "whynot.dev/audit-export/v1";
/// Leaves that are read at a time.
const BATCH: u64 = 2048;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// The format's name and version.
    pub format: String,
    /// The log's public key. Who checks an export compares it with what they know from elsewhere.
    pub public_key: String,
    /// The signed checkpoint of the leaves that follow.
    pub checkpoint: String,
}

/// Every other line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The leaf's bytes.
    pub leaf: String,
    /// The salt, in hexadecimal, as long as the payload is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The payload's bytes, as long as they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// Writes the leaves of a checkpoint.
pub async fn export(
    database: &Path,
    key: &PublicKey,
    signed: &SignedCheckpoint,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    let store = Store::open_to_read(database).await?;
    let mut write = |line: String| {
        out.write_all(line.as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .map_err(|source| Error::file(Path::new("the export"), source))
    };
    write(serde_json::to_string(&Header {
        format: FORMAT.to_owned(),
        public_key: key.text().to_owned(),
        checkpoint: signed.note().to_owned(),
    })?)?;
    let size = signed.checkpoint.size;
    let mut number = 0;
    while number < size {
        let leaves = store.leaves(number, size, BATCH).await?;
        if leaves.is_empty() {
            return Err(Error::Damaged(format!("leaf {number} is missing")));
        }
        for leaf in leaves {
            let text = |bytes| {
                String::from_utf8(bytes).map_err(|_| Error::Damaged(format!("leaf {} is no text", leaf.number)))
            };
            if leaf.number != number {
                return Err(Error::Damaged(format!("leaf {number} is missing")));
            }
            let (salt, payload) = leaf.payload.unzip();
            write(serde_json::to_string(&Line {
                leaf: text(leaf.bytes)?,
                salt: salt.map(|salt| HEXLOWER.encode(&salt)),
                payload: payload.map(text).transpose()?,
            })?)?;
            number += 1;
        }
        progress(number, size);
    }
    store.close().await;
    Ok(())
}
