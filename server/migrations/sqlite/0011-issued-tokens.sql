-- The CBC tokens of apps that take only those minted here, by SHA-256 of their text, until they have expired. Followed
-- by `seq`: the numbers appear in order, and nothing here is ever changed.
CREATE TABLE issued_tokens (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    app_id    INTEGER NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    digest    BLOB    NOT NULL CHECK (length(digest) = 32),
    expire_at INTEGER NOT NULL
) STRICT;

CREATE INDEX issued_tokens_app ON issued_tokens (app_id);
CREATE INDEX issued_tokens_end ON issued_tokens (expire_at);
