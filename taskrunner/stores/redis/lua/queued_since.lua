-- ARGV: most tasks to look at. Answers {queue, since when its first task is queued (ms), …}.

local first, answers = {}, {}
for _, id in ipairs(call('ZRANGEBYSCORE', INDEX .. 'queued', '-inf', '+inf', 'LIMIT', 0, ARGV[1])) do
  local queue, since = unpack(call('HMGET', TASK .. id, 'queue', 'updated_ms'))
  if queue and since and (not first[queue] or tonumber(since) < tonumber(first[queue])) then
    first[queue] = since
  end
end
for queue, since in pairs(first) do
  answers[#answers + 1] = queue
  answers[#answers + 1] = since
end
return answers
