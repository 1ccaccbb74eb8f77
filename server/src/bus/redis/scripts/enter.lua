-- ARGV[4] topic, key, name, text, record, since, rank, newest_wins, limit, again.
-- Returns in, full, held or moved.
local topic, key, name, text, record = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local since, rank, newest_wins = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11] == '1'
local limit, again = tonumber(ARGV[12]), ARGV[13] == '1'
local claim = app_key('name', name)

local held = redis.call('HMGET', claim, 'node', 'key', 'topic', 'since', 'rank')
if held[1] and held[2] == key and held[1] ~= NODE and alive(held[1]) then return 'moved' end
local holder = held[1] and held[2] ~= key and {node = held[1], key = held[2], topic = held[3]}
local living_holder = holder and alive(holder.node)

-- The place of whoever would be put out counts as free, and so does that of the dead.
if limit > 0 and not again and redis.call('HLEN', app_key('board', topic)) > limit then
    local others = 0
    for _, entry in ipairs((living(topic))) do
        if entry[1] ~= key and not (living_holder and entry[1] == holder.key) then others = others + 1 end
    end
    if others >= limit then return 'full' end
end
if living_holder then
    local their_since, their_rank = tonumber(held[4]), tonumber(held[5])
    local takes
    if rank ~= their_rank then takes = rank > their_rank
    elseif not again then takes = newest_wins
    elseif since ~= their_since then takes = since > their_since
    else takes = key > holder.key end
    if not takes then return 'held' end
end

if holder then
    remove(holder.topic, holder.key, '')
    redis.call('PUBLISH', 'roompass:notice:' .. holder.node, '! ' .. APP .. ' ' .. holder.key)
end
redis.call('HSET', claim, 'node', NODE, 'key', key, 'topic', topic, 'since', ARGV[9], 'rank', ARGV[10])
redis.call('PEXPIRE', claim, LIFETIME)
local _, dead = living(topic)
for _, gone in ipairs(dead) do
    if gone ~= key then remove(topic, gone, '', true) end
end
put(topic, key, text, record)
return 'in'
