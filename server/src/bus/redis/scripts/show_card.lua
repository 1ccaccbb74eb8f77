-- ARGV: node, lifetime in milliseconds, card.
redis.call('HSET', 'roompass:cards', ARGV[1], ARGV[3])
redis.call('PEXPIRE', 'roompass:cards', ARGV[2])
return 1
