-- ARGV: retention in ms, then for each message: id, died at, end of retention, how many values, names and values.

local retention = ARGV[1]
local i = 2

while i <= #ARGV do
  local id, size = ARGV[i], tonumber(ARGV[i + 3])
  call('HSET', DEAD_MESSAGE_KEY .. id, unpack(ARGV, i + 4, i + 3 + size))
  call('PEXPIRE', DEAD_MESSAGE_KEY .. id, retention)
  add(DEAD, ARGV[i + 1], 'm:' .. id)
  add(RETENTION, ARGV[i + 2], 'm:' .. id)
  i = i + 4 + size
end

flush()
return {}
