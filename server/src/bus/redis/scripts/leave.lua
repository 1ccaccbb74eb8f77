-- ARGV[4] topic, key, name, word.
if not is_ours(ARGV[4], ARGV[5]) then return 0 end
remove(ARGV[4], ARGV[5], ARGV[7])
release(ARGV[6], ARGV[5])
return 1
