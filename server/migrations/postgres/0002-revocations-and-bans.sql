-- Tokens ended early. One row a target; a repetition strengthens it.
CREATE TABLE revocations (
    app_id        BIGINT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    revocation_id TEXT COLLATE "C" NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('token', 'user', 'room', 'user_in_room', 'app')),
    token_id      TEXT CHECK ((token_id IS NOT NULL) = (kind = 'token')),
    user_id       TEXT CHECK ((user_id IS NOT NULL) = (kind IN ('user', 'user_in_room'))),
    room_id       TEXT CHECK ((room_id IS NOT NULL) = (kind IN ('room', 'user_in_room'))),
    issued_before BIGINT NOT NULL,
    expire_at     BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT NOT NULL,
    reason        TEXT,
    PRIMARY KEY (app_id, revocation_id)
);

CREATE INDEX revocations_expire ON revocations (expire_at);

-- Users, rooms and addresses kept out. One row a target; a repetition replaces it.
CREATE TABLE bans (
    app_id     BIGINT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    ban_id     TEXT COLLATE "C" NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('user', 'room', 'user_in_room', 'ip_range')),
    user_id    TEXT CHECK ((user_id IS NOT NULL) = (kind IN ('user', 'user_in_room'))),
    room_id    TEXT CHECK ((room_id IS NOT NULL) = (kind IN ('room', 'user_in_room'))),
    ip_range   TEXT CHECK ((ip_range IS NOT NULL) = (kind = 'ip_range')),
    expire_at  BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    reason     TEXT,
    PRIMARY KEY (app_id, ban_id)
);

CREATE INDEX bans_expire ON bans (expire_at) WHERE expire_at IS NOT NULL;

-- The latest second that a server with this store has seen: a later start with an earlier clock is noticed.
CREATE TABLE latest_time (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    at  BIGINT NOT NULL
);
