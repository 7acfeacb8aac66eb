-- The log's signature of its size and its root: written with the leaves, so that those after the last checkpoint are known to be the
-- log's own and not those of whoever can write to this file. NULL until the first leaf of a version that signs.
ALTER TABLE tree ADD COLUMN seal BLOB;
