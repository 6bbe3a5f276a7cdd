-- ARGV: name, the webhook that is to be removed. Answers 1 if it stood there.

if call('HGET', WEBHOOKS, ARGV[1]) ~= ARGV[2] then
  return 0
end
return call('HDEL', WEBHOOKS, ARGV[1])
