-- Uses position.
-- ARGV: most ids per status, the time of creation in ms and id where the page begins ('' for the beginning of the list),
-- the time after which, in the order of the list, no task is listed ('' for none), the namespace ('' for all), the order,
-- then the statuses.
-- Answers one list per status, {id, time, id, time, …}, in the order of the list. They are merged by the adapter.

local most, score, member, last = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local namespace, oldest_first = ARGV[5], ARGV[6] == 'created_at'
local answers = {}

-- The rank from the other end: of the entries up to the place, the one at the place is the last.
local function position_upwards(set)
  local found = call('ZSCORE', set, member)
  local at_place = found and tonumber(found) == tonumber(score)
  return call('ZCARD', set) - position(set, score, member) + (at_place and 1 or 0)
end

for i = 7, #ARGV do
  local set = INDEX .. ARGV[i]
  set = namespace == '' and set or own(set, namespace)
  local start, stop = 0, math.huge
  if score ~= '' then
    start = oldest_first and position_upwards(set) or position(set, score, member)
  end
  if last ~= '' then
    stop = oldest_first and call('ZCOUNT', set, '-inf', last) or call('ZCOUNT', set, last, '+inf')
  end
  stop = math.min(start + most, stop)
  local range = oldest_first and 'ZRANGE' or 'ZREVRANGE'
  answers[i - 6] = stop > start and call(range, set, start, stop - 1, 'WITHSCORES') or {}
end
return answers
