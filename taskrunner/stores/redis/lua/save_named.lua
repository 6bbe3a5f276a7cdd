-- ARGV: webhooks, executors, queues or change-cursors, name, value ('' to remove it), the value that it replaces ('' for none). Answers 1 if it was written, or stands there already.

local hash = ({ webhooks = WEBHOOKS, executors = EXECUTORS, queues = QUEUES, ['change-cursors'] = CHANGE_CURSORS })[ARGV[1]]
local found = call('HGET', hash, ARGV[2]) or ''

if found ~= ARGV[3] then
  if found ~= ARGV[4] then
    return 0
  end
  if ARGV[3] == '' then
    call('HDEL', hash, ARGV[2])
  else
    call('HSET', hash, ARGV[2], ARGV[3])
  end
end
return 1
