-- ARGV: the end from which they are kept, ms; most that are kept; most to remove. Answers how many were removed.

local limit = tonumber(ARGV[3])
local ids = call('ZRANGEBYSCORE', OPERATION_ENDS, '-inf', '(' .. ARGV[1], 'LIMIT', 0, limit)
local beyond = math.min(call('ZCARD', OPERATION_ENDS) - tonumber(ARGV[2]), limit)
if beyond > #ids then
  ids = call('ZRANGEBYSCORE', OPERATION_ENDS, '-inf', '+inf', 'LIMIT', 0, beyond)
end
for _, id in ipairs(ids) do
  local namespace = call('HGET', OPERATION_KEY .. id, 'namespace')
  if namespace and namespace ~= '' then
    call('ZREM', own(OPERATIONS, namespace), id)
  end
  call('UNLINK', OPERATION_KEY .. id)
  call('ZREM', OPERATIONS, id)
  call('ZREM', OPERATION_ENDS, id)
end
return #ids
