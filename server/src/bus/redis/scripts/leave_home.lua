-- ARGV[4] name.
local home = app_key('home', ARGV[4])
if redis.call('GET', home) == NODE then redis.call('DEL', home) end
return 1
