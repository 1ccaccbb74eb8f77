-- ARGV[4] key. Returns what is kept, and for how many seconds its node has been silent: -1 if it lives.
local value = redis.call('GET', app_key('session', ARGV[4]))
if not value then return false end
local node, record = split(value)
if alive(node) then return {record, -1} end
local seen = redis.call('GET', 'roompass:seen:' .. node)
local now = redis.call('TIME')[1]
return {record, now - (seen or 0)}
