-- ARGV: pattern, expected limit ('' for none), limit ('' for none).
-- Answers 1 if it was written, 0 if the stored limit is another.

local found = call('HGET', HOST_LIMITS, ARGV[1]) or ''

if found == ARGV[3] then
  return 1 -- this very call was sent again, its first answer got lost
elseif found ~= ARGV[2] then
  return 0
elseif ARGV[3] == '' then
  return call('HDEL', HOST_LIMITS, ARGV[1])
end
call('HSET', HOST_LIMITS, ARGV[1], ARGV[3])
return 1
