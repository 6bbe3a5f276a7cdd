-- ARGV: due, then for each task: id, number of its next attempt.

local due = ARGV[1]

for i = 2, #ARGV, 2 do
  local state = call('HMGET', TASK .. ARGV[i], 'status', 'attempt')
  if state[1] == 'queued' and tonumber(state[2]) + 1 == tonumber(ARGV[i + 1]) then
    add(DUE_TIMES, due, ARGV[i])
  end
end

flush()
return {}
