-- Of the connection that writes, and of no file. A leaf is appended in one statement: where the tree is not as this process has left
-- it, nothing is.
CREATE TEMP VIEW appended AS
    SELECT NULL AS number, NULL AS seal_before, NULL AS seal, NULL AS bytes, NULL AS hash, NULL AS salt, NULL AS payload;

CREATE TEMP TRIGGER appended_is_stored INSTEAD OF INSERT ON appended
BEGIN
    SELECT RAISE(ABORT, 'the tree is not as this process has left it')
    WHERE NOT EXISTS (SELECT 1 FROM tree WHERE size = NEW.number AND seal IS NEW.seal_before);
    INSERT INTO leaf (number, bytes, hash) VALUES (NEW.number, NEW.bytes, NEW.hash);
    INSERT INTO payload (leaf, salt, bytes) VALUES (NEW.number, NEW.salt, NEW.payload);
    UPDATE tree SET size = NEW.number + 1, seal = NEW.seal;
    -- A trigger in the file may have left out any of it.
    SELECT RAISE(ABORT, 'the tree is not as this process has left it')
    WHERE NOT EXISTS (
        SELECT 1 FROM tree JOIN leaf ON leaf.number = NEW.number JOIN payload ON payload.leaf = NEW.number
        WHERE size = NEW.number + 1 AND seal IS NEW.seal AND hash = NEW.hash AND leaf.bytes = NEW.bytes
            AND payload.bytes = NEW.payload AND salt = NEW.salt
    );
END;
