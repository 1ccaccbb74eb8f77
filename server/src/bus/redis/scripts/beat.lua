-- ARGV: node, lease in milliseconds, how long a dead node is remembered in milliseconds, then other nodes.
-- Renews our lease, and with it our place among those that are asked. Returns those of the other nodes that are dead.
local time = redis.call('TIME')
redis.call('SET', 'roompass:lease:' .. ARGV[1], '', 'PX', ARGV[2])
redis.call('SET', 'roompass:seen:' .. ARGV[1], time[1], 'PX', ARGV[3])
redis.call('SADD', 'roompass:nodes', ARGV[1])
local dead = {}
for i = 4, #ARGV do
    if redis.call('EXISTS', 'roompass:lease:' .. ARGV[i]) == 0 then dead[#dead + 1] = ARGV[i] end
end
return dead
