-- ARGV[4] topic. Returns the number of the latest change, the entries, and the values.
local topic = ARGV[4]
local key = app_key('board', topic)
if redis.call('HEXISTS', key, '#') == 0 then next_rev(topic) end
local reply = {redis.call('HGET', key, '#'), {}, redis.call('HGETALL', app_key('values', topic))}
for _, entry in ipairs((living(topic))) do
    for _, part in ipairs(entry) do table.insert(reply[2], part) end
end
return reply
