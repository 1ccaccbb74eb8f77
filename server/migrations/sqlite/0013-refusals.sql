-- Refusals are counted over time, in one app or in all: from the index alone. Records that were left out are in it too,
-- because they say where the counts are too low.
CREATE INDEX audit_refused ON audit (at, result, action, reason) WHERE result = 'refused' OR action = 'leave_out';
CREATE INDEX audit_refused_app ON audit (app_id, at, result, action, reason)
    WHERE result = 'refused' OR action = 'leave_out';
