-- ARGV: now, then for each task: id, number of the attempt it waits for, due, why ('' for no reason to tell).
-- Answers 1 for each that is scheduled for then, 0 for each that does not wait for it.

local now = ARGV[1]
local answers = {}

for i = 2, #ARGV, 4 do
  local id, why = ARGV[i], ARGV[i + 3]
  local state = call('HMGET', TASK .. id, 'status', 'attempt', 'snoozes')
  local waits = CLAIMABLE[state[1]] and tonumber(state[2]) + 1 == tonumber(ARGV[i + 1])
  if waits then
    call('HSET', TASK .. id, 'status', 'scheduled', 'updated', now, 'why', why)
    -- One that is so already is this very call, sent again since its first answer got lost.
    if why ~= '' and not (state[1] == 'scheduled' and call('ZSCORE', DUE, id) == ARGV[i + 2]) then
      call('HSET', TASK .. id, 'snoozes', (tonumber(state[3]) or 0) + 1)
    end
    add(DUE, ARGV[i + 2], id)
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
