-- Uses create, retain.
-- ARGV: token, now, how many, then for each attempt the values of SETTLEMENT ('' for none); then the tasks that
-- follow, as `create` takes them. `retention_ms` is for a terminal record, `not_counted` raises the limit, and
-- `follow_ups` are the places in ARGV of the tasks that follow.
-- Answers 1 for each that was written, 0 for each that no longer runs.

local token, now = ARGV[1], ARGV[2]
local last = 3 + SETTLEMENT.size * tonumber(ARGV[3])
local answers = {}
local seen = {}

-- An earlier attempt may have left what this one does not set.
local function clear(task, error, result, body)
  local stale = {}
  if error == '' then stale[#stale + 1] = 'error' end
  if result == '' then stale[#stale + 1] = 'result' end
  if body == '' then stale[#stale + 1] = 'body' end
  if #stale > 0 then
    call('HDEL', task, unpack(stale))
  end
end

local first
local function given(name)
  return ARGV[first + SETTLEMENT[name]]
end

for i = 4, last, SETTLEMENT.size do
  first = i
  local id, number, status = given('id'), given('number'), given('status')
  local task = TASK .. id
  local state = call('HMGET', task, 'status', 'attempt', 'attempt_limit', 'token', 'idempotency_key', 'deadline_ms')
  local done = 0
  if state[1] == 'running' and state[2] == number then
    local fields = { 'status', status, 'a' .. number, given('attempt'), 'updated_ms', now, 'token', token }
    local size = 8
    local function set(name, value)
      if value ~= '' then
        fields[size + 1], fields[size + 2] = name, value
        size = size + 2
      end
    end
    set('error', given('error'))
    set('reason', given('reason'))
    set('result', given('result'))
    set('body', given('body'))
    if status == 'scheduled' then -- its handler put it off
      set('waits_for', given('waits_for'))
      set('snoozes', (tonumber(call('HGET', task, 'snoozes')) or 0) + 1)
    end
    if given('not_counted') == '1' then
      set('attempt_limit', tonumber(state[3]) + 1)
    end
    call('HSET', task, unpack(fields))
    if number ~= '1' then
      clear(task, given('error'), given('result'), given('body'))
    end
    move(id, 'running', status)
    create_all(given('follow_ups'), token)
    if TERMINAL[status] then
      retain(id, task, status, state[5], now, given('retention_ms'))
    else
      add(DUE_TIMES, given('due_ms'), id)
      if state[6] then
        add(DEADLINES, state[6], id) -- it may have left the set while the attempt ran
      end
    end
    seen[id] = true
    done = 1
  elseif state[4] == token and not seen[id] then
    seen[id] = true -- this very call was sent again, its first answer got lost
    done = 1
  end
  answers[#answers + 1] = done
end

flush()
return answers
