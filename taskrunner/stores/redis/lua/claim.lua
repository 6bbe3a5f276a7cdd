-- ARGV: consumer, now, end of lease, then for each attempt: id, number, its first entry in JSON.
-- Answers for each: claimed | held | stale | past_deadline | unknown, and the attempt limit.

local consumer, now, lease = ARGV[1], ARGV[2], ARGV[3]
local answers, size = {}, 0
local seen = {}

for i = 4, #ARGV, 3 do
  local id, number = ARGV[i], ARGV[i + 1]
  local state = call('HMGET', TASK .. id, 'status', 'attempt', 'attempt_limit', 'token', 'deadline_ms')
  local status = state[1]
  local answer = 'stale'
  if not status then
    answer = state[4] and 'stale' or 'unknown' -- deleted, or never seen
  elseif status == 'running' and state[2] == number then
    -- The same consumer: it claims again, since the first answer got lost.
    answer = (state[4] == consumer and not seen[id]) and 'claimed' or 'held'
  elseif CLAIMABLE[status] and tonumber(state[2]) + 1 == tonumber(number) then
    if state[5] and tonumber(state[5]) <= tonumber(now) then
      answer = 'past_deadline'
    else
      call('HSET', TASK .. id, 'status', 'running', 'attempt', number, 'a' .. number, ARGV[i + 2],
        'updated_ms', now, 'token', consumer)
      add(DUE_TIMES, lease, id)
      move(id, status, 'running')
      answer = 'claimed'
    end
  end
  if answer == 'claimed' then
    seen[id] = true
  end
  answers[size + 1] = answer
  answers[size + 2] = tonumber(state[3]) or 0
  size = size + 2
end

flush()
return answers
