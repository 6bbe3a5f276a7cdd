-- ARGV: now, due, then for each task: id, number of the attempt it waits for.
-- Answers 1 for each that is scheduled for then, 0 for each that does not wait for it.

local now, due = ARGV[1], ARGV[2]
local answers = {}

for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local state = call('HMGET', TASK .. id, 'status', 'attempt')
  local waits = CLAIMABLE[state[1]] and tonumber(state[2]) + 1 == tonumber(ARGV[i + 1])
  if waits then
    call('HSET', TASK .. id, 'status', 'scheduled', 'updated', now)
    add(DUE, due, id)
    -- At once, so that a task twice in a batch is moved from where it is.
    if state[1] ~= 'scheduled' then
      call('ZREM', INDEX .. state[1], id)
      call('ZADD', INDEX .. 'scheduled', '0', id)
    end
  end
  answers[#answers + 1] = waits and 1 or 0
end

flush()
return answers
