-- Uses position.
-- ARGV: now, most hosts, the end of a state in ms and the host of the place behind which they begin ('' for none).
-- Answers for each: name, and its entry (version, until, state), the latest end first.

local most, score, member = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local answers = {}

local start = score ~= '' and position(HOST_ENDS, score, member) or 0
local stop = math.min(start + most, call('ZCOUNT', HOST_ENDS, '(' .. ARGV[1], '+inf'))
for _, host in ipairs(stop > start and call('ZREVRANGE', HOST_ENDS, start, stop - 1) or {}) do
  local found = call('HGET', HOSTS, host)
  if found then
    answers[#answers + 1] = host
    answers[#answers + 1] = found
  end
end
return answers
