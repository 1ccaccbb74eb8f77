-- ARGV[4] topic, key, text.
local values = app_key('values', ARGV[4])
if ARGV[6] == '' then redis.call('HDEL', values, ARGV[5]) else redis.call('HSET', values, ARGV[5], ARGV[6]) end
redis.call('PEXPIRE', values, LIFETIME)
announce(ARGV[4], '=', NODE, ARGV[5], ARGV[6])
return 1
