-- ARGV: ms to keep, then for each message: id, died at, when it may go, number of fields, the fields.

local keep = ARGV[1]
local i = 2

while i <= #ARGV do
  local id, fields = ARGV[i], tonumber(ARGV[i + 3])
  call('HSET', LETTER .. id, unpack(ARGV, i + 4, i + 3 + fields))
  call('PEXPIRE', LETTER .. id, keep)
  add(DEAD, ARGV[i + 1], 'm:' .. id)
  add(EXPIRY, ARGV[i + 2], 'm:' .. id)
  i = i + 4 + fields
end

flush()
return 1
