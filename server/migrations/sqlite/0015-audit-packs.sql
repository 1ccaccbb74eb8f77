-- A server that mints a lot packs the records of it: up to 128 that follow one another are one row. Alone, each would
-- have a place in the index of users, and those are all over it: most of what a mint costs would be that page.
-- `last_id` counts as `audit.id` does, and in the same order. `names` says which names may be in it, so that a search
-- reads few of the bodies, which are in a table of their own: the list of packs stays short.
CREATE TABLE audit_packs (
    last_id   INTEGER PRIMARY KEY,
    count     INTEGER NOT NULL CHECK (count > 0),
    chain     INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL CHECK (last_seq >= count),
    last_hash BLOB    NOT NULL CHECK (length(last_hash) = 32),
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    names     BLOB    NOT NULL,
    UNIQUE (chain, last_seq)
) STRICT;
CREATE TABLE audit_pack_bodies (
    last_id INTEGER PRIMARY KEY REFERENCES audit_packs (last_id) ON DELETE CASCADE,
    body    BLOB NOT NULL
) STRICT;
