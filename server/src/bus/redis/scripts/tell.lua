-- ARGV[4] topic, text, most pieces, most bytes. Tells it and remembers it in a stream under its number, with the number of
-- what was told before it and the bytes told so far. Returns both numbers.
local topic, text, stream = ARGV[4], ARGV[5], app_key('told', ARGV[4])
local latest = told(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1])
local rev, bytes = next_rev(topic), latest and latest.bytes or 0
-- Known even where what was told is not remembered. Nodes of before do not note it.
local before = redis.call('GET', app_key('latest', topic)) or (latest and latest.rev) or '0'
if latest and tonumber(latest.rev) >= tonumber(rev) then
    -- The board was lost, and the clock with it: what is remembered is of another life.
    redis.call('DEL', stream)
    bytes = 0
end
bytes = bytes + #text
redis.call('SET', app_key('latest', topic), rev, 'PX', LIFETIME)
redis.call('XADD', stream, 'MAXLEN', ARGV[6], rev .. '-0', 'before', before, 'node', NODE, 'bytes', string.format('%.0f', bytes), 'text', text)
local oldest = told(redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1])
while oldest.rev ~= rev and bytes - oldest.bytes + #oldest.text > tonumber(ARGV[7]) do
    redis.call('XDEL', stream, oldest.rev .. '-0')
    oldest = told(redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1])
end
redis.call('PEXPIRE', stream, LIFETIME)
publish(topic, rev, '!', NODE, before, text)
return {tonumber(rev), tonumber(before)}
