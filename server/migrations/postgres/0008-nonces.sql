-- Nonces of signed requests, until their timestamps are too old to be taken again.
CREATE TABLE request_nonces (
    key_id    TEXT COLLATE "C" NOT NULL,
    nonce     BYTEA  NOT NULL CHECK (length(nonce) = 16),
    expire_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, nonce)
);

CREATE INDEX request_nonces_end ON request_nonces (expire_at);

-- The text of a key that signs, sealed: whoever verifies a signature needs it. Other keys are kept as hashes only.
ALTER TABLE backend_keys ADD COLUMN sealed BYTEA;
