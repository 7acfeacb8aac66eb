//! A log on the network: its checkpoint and its tiles.

use std::cell::RefCell;
use std::time::Duration;

use tlog_tiles::{Error, HASH_SIZE, Tile, TileReader};

use crate::audit::tile_path;

const TIMEOUT: Duration = Duration::from_secs(15);
/// A checkpoint or a tile is far smaller.
const MAX_BODY: u64 = 1 << 20;

/// A log under an address, as C2SP's `tlog-tiles` has it.
#[derive(Debug)]
pub(super) struct Remote {
    /// Without a slash at its end.
    url: String,
    agent: ureq::Agent,
    /// Why tiles could not be read: the trait's error has no place for it.
    failed: RefCell<Option<String>>,
}

impl Remote {
    pub(super) fn new(url: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build();
        Self {
            url: url.trim_end_matches('/').to_owned(),
            agent: agent.into(),
            failed: RefCell::default(),
        }
    }

    /// The log's checkpoint. Not checked.
    pub(super) fn checkpoint(&self) -> Result<Vec<u8>, String> {
        self.get("checkpoint")
    }

    /// Why the last tiles could not be read.
    pub(super) fn failed(&self) -> Option<String> {
        self.failed.borrow_mut().take()
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let url = format!("{}/{path}", self.url);
        let failed = |error: ureq::Error| format!("cannot read {url}: {error}");
        let mut response = self.agent.get(&url).call().map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!("{url} answers {}", response.status().as_u16()));
        }
        response
            .body_mut()
            .with_config()
            .limit(MAX_BODY)
            .read_to_vec()
            .map_err(failed)
    }
}

impl TileReader for Remote {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            let bytes = self.get(&tile_path(tile))?;
            let expected = usize::try_from(tile.width()).unwrap_or(0) * HASH_SIZE;
            if bytes.len() == expected {
                return Ok(bytes);
            }
            Err(format!(
                "{} has {} bytes instead of {expected}",
                tile_path(tile),
                bytes.len()
            ))
        };
        tiles
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error: String| {
                self.failed.replace(Some(error));
                Error::InvalidTile
            })
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// A checkpoint from a file or an address.
pub(super) fn checkpoint(place: &str) -> Result<Vec<u8>, String> {
    if place.starts_with("http://") || place.starts_with("https://") {
        let url = place.strip_suffix("/checkpoint").unwrap_or(place);
        return Remote::new(url).checkpoint();
    }
    std::fs::read(place).map_err(|error| format!("cannot read {place}: {error}"))
}
