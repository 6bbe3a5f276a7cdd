-- ARGV: now, due, then for each task: id, number of the attempt that was published, snoozes before.

local now, due = ARGV[1], ARGV[2]

for i = 3, #ARGV, 3 do
  local id = ARGV[i]
  local state = call('HMGET', TASK .. id, 'status', 'attempt', 'snoozes')
  local status = state[1]
  local snoozed = (state[3] or '0') ~= ARGV[i + 2]
  if PUBLISHABLE[status] and tonumber(state[2]) + 1 == tonumber(ARGV[i + 1]) and not snoozed then
    if status ~= 'queued' then
      call('HSET', TASK .. id, 'status', 'queued', 'updated_ms', now)
      move(id, status, 'queued')
    end
    add(DUE_TIMES, due, id)
  end
end

flush()
return {}
