-- What happened, in chains: each process that writes has a chain of its own, so that none waits for another. The hash
-- of a record covers all its columns and the hash before it. `id` is the order of lists; it is in no hash.
CREATE TABLE audit (
    id         BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    chain      BIGINT NOT NULL,
    seq        BIGINT NOT NULL CHECK (seq > 0),
    at         BIGINT NOT NULL,
    action     TEXT   NOT NULL,
    result     TEXT   NOT NULL,
    reason     TEXT,
    app_id     BIGINT,
    actor      TEXT   NOT NULL,
    source     TEXT,
    user_id    TEXT,
    room_id    TEXT,
    token_id   TEXT,
    target     TEXT,
    rights     TEXT,
    expire_at  BIGINT,
    request_id TEXT,
    session_id TEXT,
    details    TEXT,
    hash       BYTEA  NOT NULL CHECK (length(hash) = 32),
    UNIQUE (chain, seq)
);

CREATE INDEX audit_app ON audit (app_id, id);
CREATE INDEX audit_user ON audit (app_id, user_id, id) WHERE user_id IS NOT NULL;

-- The ends of each chain. A chain is numbered after the one begun before it and starts from where that one was, so
-- that none can be taken out whole. The anchor is the last record that was forgotten, or the start.
CREATE TABLE audit_chains (
    chain         BIGINT PRIMARY KEY,
    opened_at     BIGINT NOT NULL,
    previous_seq  BIGINT NOT NULL,
    previous_hash BYTEA  NOT NULL CHECK (length(previous_hash) = 32),
    anchor_seq    BIGINT NOT NULL,
    anchor_hash   BYTEA  NOT NULL CHECK (length(anchor_hash) = 32),
    last_seq      BIGINT NOT NULL,
    last_hash     BYTEA  NOT NULL CHECK (length(last_hash) = 32)
);
