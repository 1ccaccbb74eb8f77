-- Small named values: what the data was sealed with, and other facts of the whole store.
CREATE TABLE meta (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

-- One row an app. `version` counts its changes; an update names the version it has read. A reset AppSign goes on
-- proving logins until its date.
CREATE TABLE apps (
    app_id                  BIGINT PRIMARY KEY CHECK (app_id BETWEEN 1 AND 4294967295),
    version                 BIGINT NOT NULL CHECK (version >= 1),
    settings                TEXT   NOT NULL CHECK (settings::json IS NOT NULL),
    app_sign                BYTEA  NOT NULL,
    previous_app_sign       BYTEA,
    previous_app_sign_until BIGINT,
    created_at              BIGINT NOT NULL,
    updated_at              BIGINT NOT NULL
);

-- The ring of an app. The active secret of a purpose has no end; previous ones verify until theirs. `retired_at` marks
-- a secret that an operator has ended early.
CREATE TABLE server_secrets (
    app_id      BIGINT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    secret_id   TEXT COLLATE "C" NOT NULL,
    purpose     TEXT   NOT NULL CHECK (purpose IN ('gcm', 'cbc')),
    sealed      BYTEA  NOT NULL,
    valid_until BIGINT,
    retired_at  BIGINT,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (app_id, secret_id)
);

CREATE UNIQUE INDEX server_secrets_active ON server_secrets (app_id, purpose) WHERE valid_until IS NULL;

-- Backend keys, as hashes of 256-bit values. A key without an app is an operator's: it administers every app.
CREATE TABLE backend_keys (
    key_id       TEXT COLLATE "C" PRIMARY KEY,
    app_id       BIGINT REFERENCES apps (app_id) ON DELETE CASCADE,
    hash         BYTEA  NOT NULL CHECK (length(hash) = 32),
    name         TEXT   NOT NULL,
    scope        TEXT   NOT NULL CHECK (scope::json IS NOT NULL),
    expire_at    BIGINT,
    last_used_at BIGINT,
    created_at   BIGINT NOT NULL
);

CREATE INDEX backend_keys_app ON backend_keys (app_id);
