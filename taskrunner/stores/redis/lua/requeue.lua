-- ARGV: token, now, due, then ids. Answers for each: false, or {id, status, attempt, limit, queue, spec, '', snoozes}.

local token, now, due = ARGV[1], ARGV[2], ARGV[3]
local answers = {}
local seen = {}

local function answer(id, task, status, attempt, limit)
  local rest = call('HMGET', task, 'queue', 'spec', 'snoozes')
  answers[#answers + 1] = { id, status, attempt, tostring(limit), rest[1], rest[2], '', rest[3] or '0' }
  seen[id] = true
end

for i = 4, #ARGV do
  local id = ARGV[i]
  local task = TASK .. id
  local state = call('HMGET', task, 'status', 'attempt', 'limit', 'max', 'key', 'token')
  if state[1] == 'failed' then
    local limit = tonumber(state[2]) + tonumber(state[4])
    call('HSET', task, 'status', 'scheduled', 'limit', limit, 'updated', now, 'token', token)
    call('HDEL', task, 'reason', 'deadline', 'why')
    call('PERSIST', task)
    if state[5] then
      call('PERSIST', KEY .. state[5])
    end
    add(DUE, due, id)
    move(id, 'failed', 'scheduled')
    remove(DEAD, 't:' .. id)
    remove(EXPIRY, 't:' .. id)
    answer(id, task, 'scheduled', state[2], limit)
  elseif state[1] == 'scheduled' and state[6] == token and not seen[id] then
    answer(id, task, 'scheduled', state[2], state[3]) -- sent again, the first answer got lost
  else
    answers[#answers + 1] = false
  end
end

flush()
return answers
