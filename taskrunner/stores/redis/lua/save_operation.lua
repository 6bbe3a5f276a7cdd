-- ARGV: expected version ('' for none), the values of OPERATION.
-- Answers 1 if it was written, or stands there already, 0 if the version is another.

local function given(name)
  return ARGV[2 + OPERATION[name]]
end

local id, version, ended, namespace = given('id'), given('version'), given('ended_at_ms'), given('namespace')
local operation = OPERATION_KEY .. id
local found = call('HGET', operation, 'version') or ''

if found == version then
  return 1
elseif found ~= ARGV[1] then
  return 0
end

for _, field in ipairs(OPERATION_FIELDS) do
  call('HSET', operation, field, given(field))
end
call('ZADD', OPERATIONS, '0', id)
if namespace ~= '' then
  call('ZADD', own(OPERATIONS, namespace), '0', id)
end
if ended == '' then
  call('ZADD', LIVE_OPERATIONS, '0', id)
else
  call('ZREM', LIVE_OPERATIONS, id)
  call('ZADD', OPERATION_ENDS, ended, id)
end
return 1
