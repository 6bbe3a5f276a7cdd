-- ARGV: end of lease, then for each attempt: id, number, its progress in JSON ('' for no news). Answers 1 for each
-- that still runs, else 0.

local lease = ARGV[1]
local answers = {}

for i = 2, #ARGV, 3 do
  local state = call('HMGET', TASK .. ARGV[i], 'status', 'attempt')
  local runs = state[1] == 'running' and state[2] == ARGV[i + 1]
  if runs then
    add(DUE_TIMES, lease, ARGV[i])
    if ARGV[i + 2] ~= '' then
      call('HSET', TASK .. ARGV[i], 'progress', ARGV[i + 2])
      changed(ARGV[i], 'running')
    end
  end
  answers[#answers + 1] = runs and 1 or 0
end

flush()
return answers
