-- Uses position.
-- ARGV: most ids per status, the time of creation in ms and id where the page begins ('' for the latest), the time
-- before which no task is listed (-inf for none), the namespace ('' for all), then the statuses.
-- Answers one list per status, {id, time, id, time, …}, the latest first. They are merged by the adapter.

local most, score, member, oldest = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local namespace = ARGV[5]
local answers = {}
for i = 6, #ARGV do
  local set = INDEX .. ARGV[i]
  set = namespace == '' and set or own(set, namespace)
  local start = score ~= '' and position(set, score, member) or 0
  local stop = math.min(start + most, oldest == '-inf' and math.huge or call('ZCOUNT', set, oldest, '+inf'))
  answers[i - 5] = stop > start and call('ZREVRANGE', set, start, stop - 1, 'WITHSCORES') or {}
end
return answers
