-- Uses due.
-- ARGV: now, most tasks, most bytes of encoded tasks to answer with. Answers with the fields of DUE for each task.
-- A running task leaves the set, and comes back when its attempt ends and another is to follow.

local now = ARGV[1]
local ids = call('ZRANGEBYSCORE', DEADLINES, '-inf', now, 'LIMIT', 0, ARGV[2])
local room = tonumber(ARGV[3])
local answers = {}

for _, id in ipairs(ids) do
  local state = call('HMGET', TASK .. id, unpack(DUE_FIELDS))
  local deadline = call('HGET', TASK .. id, 'deadline_ms')
  if CLAIMABLE[state[DUE.status]] and deadline and tonumber(deadline) <= tonumber(now) then
    room = room - #state[DUE.encoded]
    if room < 0 and #answers > 0 then
      break
    end
    append_due(answers, id, state, '')
  else
    remove(DEADLINES, id)
  end
end

flush()
return answers
