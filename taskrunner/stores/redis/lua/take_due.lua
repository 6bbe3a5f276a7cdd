-- ARGV: now, most tasks, when they are due again, most bytes of specs to answer with.
-- Answers for each task: id, status, attempt, limit, queue, spec, the line of a running attempt, snoozes.

local ids = call('ZRANGEBYSCORE', DUE, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local room = tonumber(ARGV[4])
local answers, size = {}, 0

for _, id in ipairs(ids) do
  local state = call('HMGET', TASK .. id, 'status', 'attempt', 'limit', 'queue', 'spec', 'snoozes')
  local status = state[1]
  if not status then -- the record was evicted or removed by hand: its lines must not come up for ever
    remove(DUE, id)
    for _, live in ipairs(LIVE) do
      remove(INDEX .. live, id)
    end
  elseif TERMINAL[status] then
    remove(DUE, id)
  else
    room = room - #state[5]
    if room < 0 and size > 0 then
      break
    end
    add(DUE, ARGV[3], id)
    answers[size + 1] = id
    for field = 1, 5 do
      answers[size + 1 + field] = state[field]
    end
    answers[size + 7] = status == 'running' and call('HGET', TASK .. id, 'a' .. state[2]) or ''
    answers[size + 8] = state[6] or '0'
    size = size + 8
  end
end

flush()
return answers
