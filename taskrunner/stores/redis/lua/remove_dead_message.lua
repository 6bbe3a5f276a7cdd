-- ARGV: id of a message. Answers 1 if it was there.

local member = 'm:' .. ARGV[1]
call('ZREM', DEAD, member)
call('ZREM', EXPIRY, member)
return call('DEL', LETTER .. ARGV[1])
