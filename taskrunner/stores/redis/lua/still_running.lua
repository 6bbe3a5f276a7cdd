-- ARGV: for each running attempt: id, number. Answers 1 for each that is still to run, else 0.

local answers = {}

for i = 1, #ARGV, 2 do
  local state = call('HMGET', TASK .. ARGV[i], 'status', 'attempt', 'token')
  local runs = state[1] == 'running' and state[2] == ARGV[i + 1]
  local lost = not state[1] and not state[3]
  answers[#answers + 1] = (runs or lost) and 1 or 0
end

return answers
