-- The nodes that live and what each says of itself. What the others said is removed.
local fields, told = redis.call('HGETALL', 'roompass:cards'), {}
for i = 1, #fields, 2 do
    if redis.call('EXISTS', 'roompass:lease:' .. fields[i]) == 1 then
        told[#told + 1] = fields[i]
        told[#told + 1] = fields[i + 1]
    else
        redis.call('HDEL', 'roompass:cards', fields[i])
    end
end
return told
