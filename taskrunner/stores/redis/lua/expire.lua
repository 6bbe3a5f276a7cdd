-- ARGV: token, now, most, reason, error, ms to keep. Answers how many were failed.
-- One that runs leaves the set; it comes back when its attempt ends and another is to follow.

local token, now, reason, error, keep = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local ids = call('ZRANGEBYSCORE', DEADLINES, '-inf', now, 'LIMIT', 0, ARGV[3])
local failed = 0

for _, id in ipairs(ids) do
  local task = TASK .. id
  local state = call('HMGET', task, 'status', 'key', 'deadline')
  if CLAIMABLE[state[1]] and state[3] and tonumber(state[3]) <= tonumber(now) then
    call('HSET', task, 'status', 'failed', 'reason', reason, 'error', error, 'updated', now, 'token', token)
    move(id, state[1], 'failed')
    retain(id, task, 'failed', state[2], now, keep)
    failed = failed + 1
  else
    remove(DEADLINES, id)
  end
end

flush()
return failed
