-- ARGV: now, then for each task: id, number of the attempt it waits for, due, why ('' for no reason to tell).
-- Answers 1 for each that is scheduled for then, 0 for each that does not wait for it.

local now = ARGV[1]
local answers = {}
local states = {} -- as they will be, so that a task twice in a batch is counted once

for i = 2, #ARGV, 4 do
  local id, due, why = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  local state = states[id] or call('HMGET', TASK .. id, 'status', 'attempt', 'snoozes', 'why')
  states[id] = state
  local waits = CLAIMABLE[state[1]] and tonumber(state[2]) + 1 == tonumber(ARGV[i + 1])
  if waits then
    -- One that is so already is this very call, sent again since its first answer got lost.
    local is_so = state[1] == 'scheduled' and state[4] == why and (state.due or call('ZSCORE', DUE, id)) == due
    if why == '' or is_so then
      call('HSET', TASK .. id, 'status', 'scheduled', 'updated', now, 'why', why)
    else
      state[3] = (tonumber(state[3]) or 0) + 1
      call('HSET', TASK .. id, 'status', 'scheduled', 'updated', now, 'why', why, 'snoozes', state[3])
    end
    add(DUE, due, id)
    move(id, state[1], 'scheduled')
    state[1], state[4], state.due = 'scheduled', why, due
  end
  answers[#answers + 1] = waits and 1 or 0
end

flush()
return answers
