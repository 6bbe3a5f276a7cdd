-- ARGV: before, most. Answers for each: id, status, queue, the longest overdue first.

local answers, size = {}, 0

for _, id in ipairs(call('ZRANGEBYSCORE', DUE_TIMES, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local state = call('HMGET', TASK .. id, 'status', 'queue')
  if state[1] and not TERMINAL[state[1]] then
    answers[size + 1], answers[size + 2], answers[size + 3] = id, state[1], state[2]
    size = size + 3
  end
end

return answers
