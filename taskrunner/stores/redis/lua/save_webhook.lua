-- ARGV: name, webhook, the webhook that it replaces ('' for none). Answers 1 if it was written, or stands there already.

local found = call('HGET', WEBHOOKS, ARGV[1]) or ''

if found ~= ARGV[2] then
  if found ~= ARGV[3] then
    return 0
  end
  call('HSET', WEBHOOKS, ARGV[1], ARGV[2])
end
return 1
