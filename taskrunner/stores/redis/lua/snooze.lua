-- ARGV: now, then for each task: id, number of the attempt it waits for, due, why ('' for no reason to tell).
-- Answers 1 for each that is scheduled for then, 0 for each that does not wait for it.

local now = ARGV[1]
local answers = {}

for i = 2, #ARGV, 4 do
  local id, why = ARGV[i], ARGV[i + 3]
  local state = call('HMGET', TASK .. id, 'status', 'attempt', 'snoozes', 'why')
  local waits = CLAIMABLE[state[1]] and tonumber(state[2]) + 1 == tonumber(ARGV[i + 1])
  if waits then
    call('HSET', TASK .. id, 'status', 'scheduled', 'updated', now, 'why', why)
    -- One that is so already is this very call, sent again since its first answer got lost.
    local is_so = state[1] == 'scheduled' and state[4] == why and call('ZSCORE', DUE, id) == ARGV[i + 2]
    if why ~= '' and not is_so then
      call('HSET', TASK .. id, 'snoozes', (tonumber(state[3]) or 0) + 1)
    end
    -- At once, so that a task twice in a batch is counted once, and moved from where it is.
    call('ZADD', DUE, ARGV[i + 2], id)
    if state[1] ~= 'scheduled' then
      call('ZREM', INDEX .. state[1], id)
      call('ZADD', INDEX .. 'scheduled', '0', id)
    end
  end
  answers[#answers + 1] = waits and 1 or 0
end

return answers
