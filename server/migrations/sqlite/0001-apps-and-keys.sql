-- Small named values: what the data was sealed with, and other facts of the whole store.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row an app. `version` counts its changes; an update names the version it has read.
CREATE TABLE apps (
    app_id     INTEGER PRIMARY KEY CHECK (app_id BETWEEN 1 AND 4294967295),
    version    INTEGER NOT NULL CHECK (version >= 1),
    settings   TEXT    NOT NULL CHECK (json_valid(settings)),
    app_sign   BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- The ring of an app. The active secret has no end; previous ones verify until theirs.
CREATE TABLE server_secrets (
    app_id      INTEGER NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    secret_id   TEXT    NOT NULL,
    sealed      BLOB    NOT NULL,
    valid_until INTEGER,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (app_id, secret_id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX server_secrets_active ON server_secrets (app_id) WHERE valid_until IS NULL;

-- Backend keys, as hashes of 256-bit values.
CREATE TABLE backend_keys (
    key_id       TEXT PRIMARY KEY,
    app_id       INTEGER NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    hash         BLOB    NOT NULL CHECK (length(hash) = 32),
    name         TEXT    NOT NULL,
    scope        TEXT    NOT NULL CHECK (json_valid(scope)),
    expire_at    INTEGER,
    last_used_at INTEGER,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX backend_keys_app ON backend_keys (app_id);
