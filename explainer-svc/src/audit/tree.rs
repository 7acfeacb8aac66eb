//! The tree's right edge: what appending needs of all that came before.

use tlog_tiles::{EMPTY_HASH, Hash, HashReader, TileHashReader, node_hash, sub_tree_index};

use super::Error;

/// Levels of the tree between two levels of tiles: a tile has 256 hashes.
pub(super) const HEIGHT: u8 = 8;
/// The width of a whole tile.
pub(super) const WIDTH: u64 = 1 << HEIGHT;
/// No log is longer. Sizes in what others signed or ask for are held against it before anything is calculated with them.
pub(super) const MAX_SIZE: u64 = 1 << 40;

/// The hash of a complete subtree, at the foot of a tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Node {
    /// Of the tiles: 1 for subtrees of 256 leaves.
    pub(super) level: u8,
    /// Which one of its level.
    pub(super) number: u64,
    pub(super) hash: Hash,
}

/// The complete subtrees that make up a tree, the largest first: one for each bit of its size.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Edge {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Edge {
    /// Which hashes [`Edge::new`] needs.
    pub(super) fn needs(size: u64) -> Vec<u64> {
        sub_tree_index(0, size, Vec::new())
    }

    /// The edge of a tree of `size` leaves, of the hashes that [`Edge::needs`] names.
    pub(super) fn new(size: u64, subtrees: Vec<Hash>) -> Result<Self, Error> {
        if subtrees.len() != usize::try_from(size.count_ones()).unwrap_or(0) {
            return Err(Error::Damaged(format!("a tree of {size} leaves lacks hashes")));
        }
        Ok(Self { size, subtrees })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Takes one more leaf; the subtrees that are complete with it and stand at the foot of a tile.
    pub(super) fn push(&mut self, leaf: Hash, complete: &mut Vec<Node>) {
        let (mut hash, mut number, mut height) = (leaf, self.size, 0);
        while number & 1 == 1 {
            let Some(left) = self.subtrees.pop() else { break };
            hash = node_hash(left, hash);
            number >>= 1;
            height += 1;
            if height % HEIGHT == 0 {
                complete.push(Node {
                    level: height / HEIGHT,
                    number,
                    hash,
                });
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The hash of the whole tree.
    pub(super) fn root(&self) -> Hash {
        let mut subtrees = self.subtrees.iter().rev();
        let Some(last) = subtrees.next() else { return EMPTY_HASH };
        subtrees.fold(*last, |right, left| node_hash(*left, right))
    }
}

/// Asks an algorithm for the hashes that it needs, and answers in a second run: reading is async, the algorithms are not.
#[derive(Debug)]
pub(super) enum Hashes {
    /// Notes what is asked for.
    Asked(std::cell::RefCell<Vec<u64>>),
    /// Answers.
    Answers(Vec<(u64, Hash)>),
}

impl Hashes {
    pub(super) fn asked() -> Self {
        Self::Asked(std::cell::RefCell::default())
    }

    /// What was asked for.
    pub(super) fn wanted(self) -> Vec<u64> {
        match self {
            Self::Asked(wanted) => wanted.into_inner(),
            Self::Answers(_) => Vec::new(),
        }
    }
}

impl HashReader for Hashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        match self {
            Self::Asked(wanted) => {
                wanted.borrow_mut().extend_from_slice(indexes);
                Err(tlog_tiles::Error::IndexesNotInTree)
            }
            Self::Answers(answers) => indexes
                .iter()
                .map(|index| {
                    let answer = answers.iter().find(|(known, _)| known == index);
                    answer.map(|(_, hash)| *hash).ok_or(tlog_tiles::Error::IndexesNotInTree)
                })
                .collect(),
        }
    }
}

/// Whether the tree that `tiles` reads begins with a tree of `size` leaves whose hash is `root`.
pub(super) fn begins_with(tiles: &TileHashReader<'_>, size: u64, root: Hash) -> Result<bool, tlog_tiles::Error> {
    Ok(tlog_tiles::tree_hash(size, tiles)? == root)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tlog_tiles::{
        record_hash, split_stored_hash_index, stored_hash_index, stored_hashes_for_record_hash, tree_hash,
    };

    use super::*;

    /// The crate's own way: all hashes, in its order.
    #[derive(Default)]
    struct All(RefCell<Vec<Hash>>);

    impl HashReader for All {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
            let all = self.0.borrow();
            Ok(indexes
                .iter()
                .map(|index| all[usize::try_from(*index).unwrap()])
                .collect())
        }
    }

    #[test]
    fn the_edge_makes_the_tree_that_the_whole_makes() {
        let all = All::default();
        let mut edge = Edge::default();
        let mut nodes = Vec::new();
        for number in 0..70_000_u64 {
            let leaf = record_hash(&number.to_be_bytes());
            let hashes = stored_hashes_for_record_hash(number, leaf, &all).unwrap();
            all.0.borrow_mut().extend(hashes);
            edge.push(leaf, &mut nodes);
            if number % 997 == 0 || number < 600 {
                let size = number + 1;
                assert_eq!(edge.root(), tree_hash(size, &all).unwrap(), "{size}");
                let subtrees = all.read_hashes(&Edge::needs(size)).unwrap();
                assert_eq!(Edge::new(size, subtrees).unwrap(), edge, "{size}");
            }
        }
        assert_eq!(nodes.len(), 70_000 / 256 + 70_000 / 65_536);
        for node in nodes {
            let index = stored_hash_index(node.level * HEIGHT, node.number);
            assert_eq!(split_stored_hash_index(index), (node.level * HEIGHT, node.number));
            assert_eq!(all.read_hashes(&[index]).unwrap(), [node.hash]);
        }
        assert_eq!(Edge::default().root(), EMPTY_HASH);
    }
}
