-- ARGV[4] topic, key, name.
if not is_ours(ARGV[4], ARGV[5]) then return 0 end
remove(ARGV[4], ARGV[5])
local claim = app_key('name', ARGV[6])
if redis.call('HGET', claim, 'key') == ARGV[5] then redis.call('DEL', claim) end
return 1
