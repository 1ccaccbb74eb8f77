-- Requests that named themselves by an Idempotency-Key: claimed, then answered. `size_bytes` is that of the answer.
CREATE TABLE idempotent_requests (
    app_id       INTEGER NOT NULL CHECK (app_id BETWEEN 0 AND 4294967295),
    request_id   TEXT    NOT NULL,
    fingerprint  BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    attempt      INTEGER NOT NULL CHECK (attempt >= 1),
    claimed_at   INTEGER NOT NULL,
    expire_at    INTEGER NOT NULL,
    answer       BLOB,
    size_bytes   INTEGER NOT NULL,
    PRIMARY KEY (app_id, request_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotent_requests_expire ON idempotent_requests (expire_at);
CREATE INDEX idempotent_requests_size ON idempotent_requests (app_id, size_bytes);
