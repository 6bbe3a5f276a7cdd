-- ARGV: now, most hosts. Answers for each: name, and its entry (version, until, state).

local answers = {}
for _, host in ipairs(call('ZREVRANGEBYSCORE', HOST_ENDS, '+inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local found = call('HGET', HOSTS, host)
  if found then
    answers[#answers + 1] = host
    answers[#answers + 1] = found
  end
end
return answers
