-- Requests that named themselves by an Idempotency-Key: claimed, then answered. `size_bytes` is that of the answer.
CREATE TABLE idempotent_requests (
    app_id       BIGINT NOT NULL CHECK (app_id BETWEEN 0 AND 4294967295),
    request_id   TEXT    NOT NULL,
    fingerprint  BYTEA   NOT NULL CHECK (length(fingerprint) = 32),
    attempt      BIGINT NOT NULL CHECK (attempt >= 1),
    claimed_at   BIGINT NOT NULL,
    expire_at    BIGINT NOT NULL,
    answer       BYTEA,
    size_bytes   BIGINT NOT NULL,
    PRIMARY KEY (app_id, request_id)
);

CREATE INDEX idempotent_requests_expire ON idempotent_requests (expire_at);
CREATE INDEX idempotent_requests_size ON idempotent_requests (app_id, size_bytes);
