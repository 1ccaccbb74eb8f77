-- What happened, in chains: each process that writes has a chain of its own, so that none waits for another. The hash
-- of a record covers all its columns and the hash before it. `id` is the order of lists; it is in no hash.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    chain      INTEGER NOT NULL,
    seq        INTEGER NOT NULL CHECK (seq > 0),
    at         INTEGER NOT NULL,
    action     TEXT    NOT NULL,
    result     TEXT    NOT NULL,
    reason     TEXT,
    app_id     INTEGER,
    actor      TEXT    NOT NULL,
    source     TEXT,
    user_id    TEXT,
    room_id    TEXT,
    token_id   TEXT,
    target     TEXT,
    rights     TEXT,
    expire_at  INTEGER,
    request_id TEXT,
    session_id TEXT,
    details    TEXT,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    UNIQUE (chain, seq)
) STRICT;

CREATE INDEX audit_app ON audit (app_id);
CREATE INDEX audit_user ON audit (app_id, user_id) WHERE user_id IS NOT NULL;

-- The ends of each chain. A chain is numbered after the one begun before it and starts from where that one was, so
-- that none can be taken out whole. The anchor is the last record that was forgotten, or the start.
CREATE TABLE audit_chains (
    chain         INTEGER PRIMARY KEY,
    opened_at     INTEGER NOT NULL,
    previous_seq  INTEGER NOT NULL,
    previous_hash BLOB    NOT NULL CHECK (length(previous_hash) = 32),
    anchor_seq    INTEGER NOT NULL,
    anchor_hash   BLOB    NOT NULL CHECK (length(anchor_hash) = 32),
    last_seq      INTEGER NOT NULL,
    last_hash     BLOB    NOT NULL CHECK (length(last_hash) = 32)
) STRICT;
