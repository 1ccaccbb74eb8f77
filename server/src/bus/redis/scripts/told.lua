-- ARGV[4] topic, number. Returns what was told after that number, as number, the number before it, node, text.
local reply = {}
for _, entry in ipairs(redis.call('XRANGE', app_key('told', ARGV[4]), '(' .. ARGV[5] .. '-0', '+')) do
    local piece = told(entry)
    for _, part in ipairs({piece.rev, piece.before, piece.node, piece.text}) do table.insert(reply, part) end
end
return reply
