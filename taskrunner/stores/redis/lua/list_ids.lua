-- Uses position.
-- ARGV: most ids per status, the time of creation in ms and id where the page begins ('' for the latest), the time
-- before which no task is listed (-inf for none), then the statuses.
-- Answers one list per status, {id, time, id, time, …}, the latest first. They are merged by the adapter.

local most, score, member, oldest = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local answers = {}
for i = 5, #ARGV do
  local set = INDEX .. ARGV[i]
  local start = score ~= '' and position(set, score, member) or 0
  local stop = math.min(start + most, oldest == '-inf' and math.huge or call('ZCOUNT', set, oldest, '+inf'))
  answers[i - 4] = stop > start and call('ZREVRANGE', set, start, stop - 1, 'WITHSCORES') or {}
end
return answers
