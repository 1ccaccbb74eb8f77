-- The CBC tokens of apps that take only those minted here, by SHA-256 of their text, until they have expired. Followed
-- by `seq`: whoever inserts holds a lock from before the number is drawn until the commit, so that numbers appear in
-- order; nothing here is ever changed.
CREATE TABLE issued_tokens (
    seq       BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    app_id    BIGINT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    digest    BYTEA  NOT NULL CHECK (length(digest) = 32),
    expire_at BIGINT NOT NULL
);

CREATE INDEX issued_tokens_app ON issued_tokens (app_id);
CREATE INDEX issued_tokens_end ON issued_tokens (expire_at);
