-- Tokens that let their user in once, and the session that each let in, until the token ends.
CREATE TABLE used_tokens (
    app_id     INTEGER NOT NULL,
    token_id   TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    expire_at  INTEGER NOT NULL,
    PRIMARY KEY (app_id, token_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX used_tokens_end ON used_tokens (expire_at);
