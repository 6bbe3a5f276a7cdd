-- ARGV: now, most tasks, most bytes of specs to answer with. Answers for each what take_due does, without line and snoozes.
-- One that runs leaves the set; it comes back when its attempt ends and another is to follow.

local now = ARGV[1]
local ids = call('ZRANGEBYSCORE', DEADLINES, '-inf', now, 'LIMIT', 0, ARGV[2])
local room = tonumber(ARGV[3])
local answers, size = {}, 0

for _, id in ipairs(ids) do
  local state = call('HMGET', TASK .. id, 'status', 'attempt', 'limit', 'queue', 'spec', 'deadline')
  if CLAIMABLE[state[1]] and state[6] and tonumber(state[6]) <= tonumber(now) then
    room = room - #state[5]
    if room < 0 and size > 0 then
      break
    end
    answers[size + 1] = id
    for field = 1, 5 do
      answers[size + 1 + field] = state[field]
    end
    answers[size + 7] = ''
    answers[size + 8] = '0'
    size = size + 8
  else
    remove(DEADLINES, id)
  end
end

flush()
return answers
