-- Tokens that let their user in once, and the session that each let in, until the token ends.
CREATE TABLE used_tokens (
    app_id     BIGINT NOT NULL,
    token_id   TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    expire_at  BIGINT NOT NULL,
    PRIMARY KEY (app_id, token_id)
);

CREATE INDEX used_tokens_end ON used_tokens (expire_at);
