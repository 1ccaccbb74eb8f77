-- What every script begins with. Keys are made here from the app, so one Redis holds them all: not a cluster.
-- ARGV: node, app, lifetime of what is kept in milliseconds, then what the script needs.
local NODE, APP, LIFETIME = ARGV[1], ARGV[2], ARGV[3]
local function app_key(kind, name) return 'roompass:' .. APP .. ':' .. kind .. ':' .. name end
local function alive(node) return node == NODE or redis.call('EXISTS', 'roompass:lease:' .. node) == 1 end
local function split(value) return value:match('^(%S+) (.*)$') end

-- The first change of a board gets the time for its number, so that a board that was lost goes on with higher ones. Before
-- anything is told on it, its first number stands for that of the latest.
local function next_rev(topic)
    local key = app_key('board', topic)
    if redis.call('HEXISTS', key, '#') == 0 then
        local time = redis.call('TIME')
        local first = time[1] .. string.format('%06d', time[2])
        redis.call('HSET', key, '#', first)
        redis.call('SET', app_key('latest', topic), first)
    end
    local rev = redis.call('HINCRBY', key, '#', 1)
    redis.call('PEXPIRE', key, LIFETIME)
    redis.call('PEXPIRE', app_key('latest', topic), LIFETIME)
    return string.format('%.0f', rev)
end

local function publish(topic, rev, kind, node, key, text)
    redis.call('PUBLISH', app_key('news', topic), rev .. ' ' .. kind .. ' ' .. node .. ' ' .. key .. ' ' .. text)
end

local function announce(topic, kind, node, key, text) publish(topic, next_rev(topic), kind, node, key, text) end

-- An entry of a stream of what was told, if there is one.
local function told(entry)
    if not entry then return nil end
    local piece = {rev = entry[1]:match('^%d+')}
    for i = 1, #entry[2], 2 do piece[entry[2][i]] = entry[2][i + 1] end
    piece.bytes = tonumber(piece.bytes)
    return piece
end

local function put(topic, key, text, record)
    redis.call('HSET', app_key('board', topic), key, NODE .. ' ' .. text)
    redis.call('SET', app_key('session', key), NODE .. ' ' .. record, 'PX', LIFETIME)
    redis.call('PEXPIRE', app_key('values', topic), LIFETIME)
    redis.call('PEXPIRE', app_key('names', key), LIFETIME)
    announce(topic, '+', NODE, key, text)
end

local function release(name, key)
    local claim = app_key('name', name)
    if redis.call('HGET', claim, 'key') == key then redis.call('DEL', claim) end
end

-- What is kept for a resume and the names claimed go with the entry, unless its node has died: then they are for whoever
-- takes it over. So does what was told, with the last one.
local function remove(topic, key, word, keep)
    local value = redis.call('HGET', app_key('board', topic), key)
    if not value then return end
    redis.call('HDEL', app_key('board', topic), key)
    if not keep then
        for _, name in ipairs(redis.call('SMEMBERS', app_key('names', key))) do release(name, key) end
        redis.call('DEL', app_key('session', key), app_key('names', key))
    end
    if redis.call('HLEN', app_key('board', topic)) == 1 then
        redis.call('DEL', app_key('values', topic))
        if not keep then redis.call('DEL', app_key('told', topic)) end
    end
    announce(topic, '-', (split(value)), key, word)
end

local function is_ours(topic, key)
    local value = redis.call('HGET', app_key('board', topic), key)
    return value and (split(value)) == NODE
end

-- The entries of nodes that live, as key, node, text; and the keys of the others.
local function living(topic)
    local fields, entries, dead = redis.call('HGETALL', app_key('board', topic)), {}, {}
    local known = {}
    for i = 1, #fields, 2 do
        if fields[i] ~= '#' then
            local node, text = split(fields[i + 1])
            if known[node] == nil then known[node] = alive(node) end
            if known[node] then
                entries[#entries + 1] = {fields[i], node, text}
            else
                dead[#dead + 1] = fields[i]
            end
        end
    end
    return entries, dead
end
