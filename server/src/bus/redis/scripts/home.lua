-- ARGV[4] name. Returns the node that is home to it: this one from now on, unless another one is that lives and hears.
local home = app_key('home', ARGV[4])
local held = redis.call('GET', home)
-- The channel of a node that was killed has no listener long before its lease has lapsed. The line says nothing.
if held and held ~= NODE and alive(held) and redis.call('PUBLISH', 'roompass:notice:' .. held, '') > 0 then
    return held
end
redis.call('SET', home, NODE, 'PX', LIFETIME)
return NODE
