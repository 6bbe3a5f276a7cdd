-- ARGV: namespace, place of a status in STATUSES, cursor in its tasks, how many tasks to look at.
-- Answers the bytes of these tasks, and where to go on: a place and a cursor, or 0 as the place.
-- From live statuses to terminal ones: a task that ends meanwhile is measured twice, and none is missed.

local namespace, place, cursor, left = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local size = 0

while left > 0 and STATUSES[place] do
  local found = call('ZSCAN', own(INDEX .. STATUSES[place], namespace), cursor, 'COUNT', left)
  cursor = found[1]
  local entries = found[2] -- each id is followed by its score
  for i = 1, #entries, 2 do
    local task = TASK .. entries[i]
    size = size + call('HSTRLEN', task, 'encoded') + call('HSTRLEN', task, 'result') + call('HSTRLEN', task, 'body')
  end
  left = left - #entries / 2
  if cursor == '0' then
    place = place + 1
  end
end

return { size, STATUSES[place] and place or 0, cursor }
