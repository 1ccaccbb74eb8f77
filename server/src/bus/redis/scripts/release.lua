-- ARGV[4] name, key.
release(ARGV[4], ARGV[5])
redis.call('SREM', app_key('names', ARGV[5]), ARGV[4])
return 1
