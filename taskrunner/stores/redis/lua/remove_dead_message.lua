-- ARGV: id of a message. Answers 1 if it was there.

local member = 'm:' .. ARGV[1]
call('ZREM', DEAD, member)
call('ZREM', RETENTION, member)
return call('DEL', DEAD_MESSAGE_KEY .. ARGV[1])
