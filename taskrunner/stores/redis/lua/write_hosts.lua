-- ARGV: now, then for each host: name, the version expected ('' for none), the new one, when it is void, state.
-- Answers for each: 1, or 0 and what is stored instead (version, until, state; '' for nothing).

local answers = {}

for i = 2, #ARGV, 5 do
  local host, expected, version = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local found = call('HGET', HOSTS, host)
  local current = found and string.match(found, '^(%S*) ') or ''
  if current == expected or current == version then
    call('HSET', HOSTS, host, version .. ' ' .. ARGV[i + 3] .. ' ' .. ARGV[i + 4])
    add(HOST_ENDS, ARGV[i + 3], host)
    answers[#answers + 1] = { 1 }
  else
    answers[#answers + 1] = { 0, found or '' }
  end
end

-- Each write removes a few void states.
for _, host in ipairs(call('ZRANGEBYSCORE', HOST_ENDS, '-inf', ARGV[1], 'LIMIT', 0, 20)) do
  local found = call('HGET', HOSTS, host)
  local ends = found and string.match(found, '^%S* (%d+) ')
  if not ends or tonumber(ends) <= tonumber(ARGV[1]) then
    call('HDEL', HOSTS, host)
    remove(HOST_ENDS, host)
  end
end

flush()
return answers
