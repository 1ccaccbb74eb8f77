-- How often the AppSign was reset: with it, the use of each AppSign is counted under a name of its own in `secret_uses`.
ALTER TABLE apps ADD COLUMN app_sign_resets INTEGER NOT NULL DEFAULT 0;
