-- People who sign in to the console.
CREATE TABLE admins (
    admin_id      TEXT    PRIMARY KEY,
    version       INTEGER NOT NULL CHECK (version >= 1),
    name          TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    totp_secret   BLOB    NOT NULL,
    -- The last step of the second factor that was used: each opens one door once.
    totp_step     INTEGER NOT NULL,
    roles         TEXT    NOT NULL CHECK (json_valid(roles)),
    -- Whether the roles say owner of everything; of those, one always stays.
    owner         INTEGER NOT NULL CHECK (owner IN (0, 1)),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where they are signed in, by the hash of a 256-bit value.
CREATE TABLE admin_sessions (
    hash       BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    session_id TEXT    NOT NULL UNIQUE,
    admin_id   TEXT    NOT NULL REFERENCES admins (admin_id) ON DELETE CASCADE,
    source     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expire_at  INTEGER NOT NULL,
    sudo_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX admin_sessions_admin ON admin_sessions (admin_id);
CREATE INDEX admin_sessions_end ON admin_sessions (expire_at);

-- One-time codes that make an admin, by hash. Without a name, whoever uses it chooses one.
CREATE TABLE admin_setup_codes (
    hash       BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    name       TEXT,
    roles      TEXT    NOT NULL CHECK (json_valid(roles)),
    expire_at  INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
