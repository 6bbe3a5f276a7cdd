-- Uses due.
-- ARGV: token, now, due, then ids. Answers for each: false, or the fields of DUE.

local token, now, due = ARGV[1], ARGV[2], ARGV[3]
local answers = {}
local seen = {}

for i = 4, #ARGV do
  local id = ARGV[i]
  local task = TASK .. id
  local state = call('HMGET', task, 'status', 'attempt', 'max_attempts', 'idempotency_key', 'token')
  local again = state[1] == 'scheduled' and state[5] == token and not seen[id] -- sent again, the first answer got lost
  local answer = false
  if state[1] == 'failed' then
    local limit = tonumber(state[2]) + tonumber(state[3])
    call('HSET', task, 'status', 'scheduled', 'attempt_limit', limit, 'updated_ms', now, 'token', token)
    call('HDEL', task, 'reason', 'deadline_ms', 'waits_for')
    call('PERSIST', task)
    if state[4] then
      call('PERSIST', KEY .. state[4])
    end
    add(DUE_TIMES, due, id)
    move(id, 'failed', 'scheduled')
    remove(DEAD, 't:' .. id)
    remove(RETENTION, 't:' .. id)
  end
  if state[1] == 'failed' or again then
    answer = {}
    append_due(answer, id, call('HMGET', task, unpack(DUE_FIELDS)), false)
    seen[id] = true
  end
  answers[#answers + 1] = answer
end

flush()
return answers
