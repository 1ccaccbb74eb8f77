-- People who sign in to the console.
CREATE TABLE admins (
    admin_id      TEXT COLLATE "C" PRIMARY KEY,
    version       BIGINT  NOT NULL CHECK (version >= 1),
    name          TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    totp_secret   BYTEA   NOT NULL,
    -- The last step of the second factor that was used: each opens one door once.
    totp_step     BIGINT  NOT NULL,
    roles         TEXT    NOT NULL CHECK (roles::json IS NOT NULL),
    -- Whether the roles say owner of everything; of those, one always stays.
    owner         BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL
);

-- Where they are signed in, by the hash of a 256-bit value.
CREATE TABLE admin_sessions (
    hash       BYTEA  PRIMARY KEY CHECK (length(hash) = 32),
    session_id TEXT COLLATE "C" NOT NULL UNIQUE,
    admin_id   TEXT COLLATE "C" NOT NULL REFERENCES admins (admin_id) ON DELETE CASCADE,
    source     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expire_at  BIGINT NOT NULL,
    sudo_until BIGINT NOT NULL
);

CREATE INDEX admin_sessions_admin ON admin_sessions (admin_id);
CREATE INDEX admin_sessions_end ON admin_sessions (expire_at);

-- One-time codes that make an admin, by hash. Without a name, whoever uses it chooses one.
CREATE TABLE admin_setup_codes (
    hash       BYTEA  PRIMARY KEY CHECK (length(hash) = 32),
    name       TEXT,
    roles      TEXT   NOT NULL CHECK (roles::json IS NOT NULL),
    expire_at  BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
