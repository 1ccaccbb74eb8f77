-- ARGV[4] id, text. Asks every node. Returns those that live, but for this one.
local others = {}
for _, node in ipairs(redis.call('SMEMBERS', 'roompass:nodes')) do
    if not alive(node) then
        redis.call('SREM', 'roompass:nodes', node)
    elseif node ~= NODE then
        others[#others + 1] = node
    end
end
redis.call('PUBLISH', 'roompass:questions', ARGV[4] .. ' ' .. APP .. ' ' .. NODE .. ' ' .. ARGV[5])
return others
