-- Uses due.
-- ARGV: now, most tasks, when they are due again, most bytes of encoded tasks to answer with.
-- Answers with the fields of DUE for each task.

local ids = call('ZRANGEBYSCORE', DUE_TIMES, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local room = tonumber(ARGV[4])
local answers = {}

for _, id in ipairs(ids) do
  local state = call('HMGET', TASK .. id, unpack(DUE_FIELDS))
  local status = state[DUE.status]
  if not status then -- the record was evicted or removed by hand: its entries must not come up for ever
    remove(DUE_TIMES, id)
    for _, live in ipairs(LIVE) do
      remove(INDEX .. live, id)
    end
  elseif TERMINAL[status] then
    remove(DUE_TIMES, id)
  else
    room = room - #state[DUE.encoded]
    if room < 0 and #answers > 0 then
      break
    end
    add(DUE_TIMES, ARGV[3], id)
    append_due(answers, id, state, status == 'running' and call('HGET', TASK .. id, 'a' .. state[DUE.attempt]))
  end
end

flush()
return answers
