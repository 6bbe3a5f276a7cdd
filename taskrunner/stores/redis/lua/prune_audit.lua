-- ARGV: the first id that is kept by its age, most entries to keep, most to remove. Answers how many were removed.

local limit = tonumber(ARGV[3])
local ids = call('ZRANGEBYLEX', AUDIT_IDS, '-', '(' .. ARGV[1], 'LIMIT', 0, limit)
local beyond = math.min(call('ZCARD', AUDIT_IDS) - tonumber(ARGV[2]), limit)
if beyond > #ids then
  ids = call('ZRANGEBYLEX', AUDIT_IDS, '-', '+', 'LIMIT', 0, beyond)
end
if #ids > 0 then
  call('ZREM', AUDIT_IDS, unpack(ids))
  call('HDEL', AUDIT, unpack(ids))
end
return #ids
