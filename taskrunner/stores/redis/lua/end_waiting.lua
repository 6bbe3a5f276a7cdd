-- Uses create, retain, seen.
-- ARGV: token, terminal status, now, reason, error, retention in ms, 1 for only those past their deadline or the state
-- in which they must be, how many,
-- then for each task: id, number of the attempt it waits for, the places in ARGV of the tasks that follow it
-- ('' for none); then these tasks, as `create` takes them.
-- Answers 1 for each that got the status, 0 for each that does not wait for it.

local token, ending, now, reason, error, retention = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local only_past_deadline, last = ARGV[7] == '1', 8 + 3 * tonumber(ARGV[8])
local seen_as = ARGV[7] ~= '' and not only_past_deadline and ARGV[7]
local answers = {}
local seen = {}

for i = 9, last, 3 do
  local id = ARGV[i]
  local task = TASK .. id
  local state = call('HMGET', task, 'status', 'attempt', 'token', 'idempotency_key', 'deadline_ms')
  local status = state[1]
  local past_deadline = state[5] and tonumber(state[5]) <= tonumber(now)
  local done = 0
  if (not seen_as or is_as_seen(id, seen_as)) and CLAIMABLE[status] and tonumber(state[2]) + 1 == tonumber(ARGV[i + 1])
      and (past_deadline or not only_past_deadline) then
    create_all(ARGV[i + 2], token)
    call('HSET', task, 'status', ending, 'reason', reason, 'error', error, 'updated_ms', now, 'token', token)
    move(id, status, ending)
    retain(id, task, ending, state[4], now, retention)
    seen[id] = true
    done = 1
  elseif status == ending and state[3] == token and not seen[id] then
    seen[id] = true -- this very call was sent again, its first answer got lost
    done = 1
  end
  answers[#answers + 1] = done
end

flush()
return answers
