-- ARGV[4] name, key. Returns 1, or 0 if another living one has the name.
local claim = app_key('name', ARGV[4])
local held = redis.call('HMGET', claim, 'node', 'key')
if held[1] and held[2] ~= ARGV[5] and alive(held[1]) then return 0 end
redis.call('HSET', claim, 'node', NODE, 'key', ARGV[5])
redis.call('PEXPIRE', claim, LIFETIME)
redis.call('SADD', app_key('names', ARGV[5]), ARGV[4])
redis.call('PEXPIRE', app_key('names', ARGV[5]), LIFETIME)
return 1
