-- ARGV[4] topic, number. Returns the number of the latest piece ever told, or nothing if that is not known; then what was
-- told after that number, as number, the number before it, node, text.
local reply = {redis.call('GET', app_key('latest', ARGV[4])) or ''}
for _, entry in ipairs(redis.call('XRANGE', app_key('told', ARGV[4]), '(' .. ARGV[5] .. '-0', '+')) do
    local piece = told(entry)
    for _, part in ipairs({piece.rev, piece.before, piece.node, piece.text}) do table.insert(reply, part) end
end
return reply
