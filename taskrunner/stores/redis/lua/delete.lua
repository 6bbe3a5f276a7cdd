-- Uses seen.
-- ARGV: token, retention of the ids in ms, the status that the tasks must have ('' for any), the state in which they
-- must be ('' for any), then ids.
-- Answers 1 for each that was removed, else 0.

local token, retention, expected, seen_as = GONE .. ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local answers = {}
local seen = {}

for i = 5, #ARGV do
  local id = ARGV[i]
  local task = TASK .. id
  local state = call('HMGET', task, 'status', 'token', 'idempotency_key')
  local done = 0
  if state[1] and (expected == '' or state[1] == expected) and (seen_as == '' or is_as_seen(id, seen_as)) then
    -- First, since a server that is out of memory lets a script go on that has freed some.
    call('UNLINK', task)
    call('HSET', task, 'token', token)
    call('PEXPIRE', task, retention)
    if state[3] then
      call('PEXPIRE', KEY .. state[3], retention)
    end
    remove(DUE_TIMES, id)
    remove(DEADLINES, id)
    remove(INDEX .. state[1], id)
    remove(DEAD, 't:' .. id)
    remove(RETENTION, 't:' .. id)
    changed(id, '')
    seen[id] = true
    done = 1
  elseif state[2] == token and not seen[id] then
    seen[id] = true -- this very call was sent again, its first answer got lost
    done = 1
  end
  answers[#answers + 1] = done
end

flush()
return answers
