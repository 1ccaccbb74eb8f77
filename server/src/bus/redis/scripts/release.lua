-- ARGV[4] name, key.
local claim = app_key('name', ARGV[4])
if redis.call('HGET', claim, 'key') == ARGV[5] then redis.call('DEL', claim) end
return 1
