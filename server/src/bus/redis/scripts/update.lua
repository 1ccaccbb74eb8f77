-- ARGV[4] topic, key, text, record. Returns 1, or 0 if the entry is not ours or not there.
if not is_ours(ARGV[4], ARGV[5]) then return 0 end
put(ARGV[4], ARGV[5], ARGV[6], ARGV[7])
return 1
