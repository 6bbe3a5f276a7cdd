-- ARGV: now, then for each task: id, number of the attempt it waits for, due, the reason ('' for none).
-- Answers 1 for each that is scheduled for then, 0 for each that does not wait for it.

local now = ARGV[1]
local answers = {}
local states = {} -- as they will be, so that a task twice in a batch is counted once

for i = 2, #ARGV, 4 do
  local id, due, reason = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  local state = states[id] or call('HMGET', TASK .. id, 'status', 'attempt', 'snoozes', 'waits_for')
  states[id] = state
  local waits = CLAIMABLE[state[1]] and tonumber(state[2]) + 1 == tonumber(ARGV[i + 1])
  if waits then
    -- One that is so already is this very call, sent again since its first answer got lost.
    local is_so = state[1] == 'scheduled' and state[4] == reason and (state.due or call('ZSCORE', DUE_TIMES, id)) == due
    if reason == '' or is_so then
      call('HSET', TASK .. id, 'status', 'scheduled', 'updated_ms', now, 'waits_for', reason)
    else
      state[3] = (tonumber(state[3]) or 0) + 1
      call('HSET', TASK .. id, 'status', 'scheduled', 'updated_ms', now, 'waits_for', reason, 'snoozes', state[3])
    end
    add(DUE_TIMES, due, id)
    move(id, state[1], 'scheduled')
    state[1], state[4], state.due = 'scheduled', reason, due
  end
  answers[#answers + 1] = waits and 1 or 0
end

flush()
return answers
