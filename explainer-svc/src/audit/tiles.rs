//! Tiles as C2SP's `tlog-tiles` names them. The crate's own paths are those of Go's checksum database.

use tlog_tiles::Tile;

use super::tree::{HEIGHT, MAX_SIZE, WIDTH};

/// Levels of tiles that a log can have.
const LEVELS: u8 = 5;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// The level of hashes; `None` for entries.
    pub level: Option<u8>,
    /// Which one of its level.
    pub number: u64,
    /// How many hashes or entries it has: 256, or fewer for one that is not full.
    pub width: u64,
}

impl TilePath {
    /// Reads what comes after `tile/`, as in `0/x001/234`, `0/x001/234.p/5`, `entries/000`.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let level = match level {
            "entries" => None,
            level => Some(level.parse().ok().filter(|level| *level < LEVELS)?),
        };
        let (name, width) = match rest.split_once(".p/") {
            None => (rest, WIDTH),
            Some((name, width)) => (name, width.parse().ok().filter(|width| (1..WIDTH).contains(width))?),
        };
        let mut number = 0_u64;
        for group in name.split('/') {
            let digits: u64 = group
                .strip_prefix('x')
                .unwrap_or(group)
                .parse()
                .ok()
                .filter(|n| *n < 1000)?;
            number = number
                .checked_mul(1000)?
                .checked_add(digits)
                .filter(|n| *n < MAX_SIZE)?;
        }
        let read = Self { level, number, width };
        // One name a tile: no leading zeros, no sign, an x before all groups but the last.
        (read.to_string() == path).then_some(read)
    }

    pub(super) fn of(tile: &Tile) -> Self {
        Self {
            level: (!tile.is_data()).then(|| tile.level()),
            number: tile.level_index(),
            width: u64::from(tile.width()),
        }
    }

    pub(super) fn tile(self) -> Tile {
        let width = u32::try_from(self.width).unwrap_or(1);
        Tile::new(
            HEIGHT,
            self.level.unwrap_or(0),
            self.number,
            width,
            self.level.is_none(),
        )
    }
}

impl std::fmt::Display for TilePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.tile().path();
        let path = path.strip_prefix("tile/8/").unwrap_or(&path);
        match path.strip_prefix("data/") {
            Some(entries) => write!(f, "entries/{entries}"),
            None => f.write_str(path),
        }
    }
}

/// Where a tile of hashes is, under the address of the log.
pub fn tile_path(tile: &Tile) -> String {
    format!("tile/{}", TilePath::of(tile))
}

/// Where entries are, under the address of the log.
pub fn entries_path(number: u64, width: u64) -> String {
    let path = TilePath {
        level: None,
        number,
        width,
    };
    format!("tile/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for (path, level, number, width) in [
            ("0/000", Some(0), 0, 256),
            ("1/x001/x234/067", Some(1), 1_234_067, 256),
            ("2/x001/234.p/5", Some(2), 1234, 5),
            ("entries/000.p/255", None, 0, 255),
        ] {
            let tile = TilePath { level, number, width };
            assert_eq!(TilePath::parse(path), Some(tile));
            assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn other_paths_are_none() {
        for path in [
            "",
            "0",
            "0/",
            "0/0",
            "0/0000",
            "5/000",
            "00/000",
            "+0/000",
            "0/001/002",
            "0/x001",
            "0/x1/002",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/05",
            "0/000.p/",
            "0/+00",
            "0/1000",
            "data/000",
            "8/0/000",
            "64/000",
            "0/x999/x999/x999/x999/x999/x999/999",
            "entries/../000",
        ] {
            assert_eq!(TilePath::parse(path), None, "{path}");
        }
    }
}
