-- ARGV[4] topic, key, name, text, record, expected. Returns 1, or 0 if something has changed.
local topic, key, claim = ARGV[4], ARGV[5], app_key('name', ARGV[6])
local value = redis.call('GET', app_key('session', key))
if not value or select(2, split(value)) ~= ARGV[9] then return 0 end
if redis.call('HGET', claim, 'key') ~= key then return 0 end
redis.call('HSET', claim, 'node', NODE)
redis.call('PEXPIRE', claim, LIFETIME)
put(topic, key, ARGV[7], ARGV[8])
return 1
