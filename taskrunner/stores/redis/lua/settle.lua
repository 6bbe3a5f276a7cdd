-- ARGV: token, now, how many, then for each attempt: id, number, next status, due ('' for none), the attempt in JSON,
-- error, reason, result in JSON, body (each '' for none), ms to keep a terminal record, 1 to raise the limit, and the
-- place in ARGV of the task that follows it ('' for none); then these tasks, as `create` takes them.
-- Answers 1 for each that was written, 0 for each that no longer runs.

local token, now = ARGV[1], ARGV[2]
local last = 3 + 12 * tonumber(ARGV[3])
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

for i = 4, last, 12 do
  local id, number, status = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local task = TASK .. id
  local state = call('HMGET', task, 'status', 'attempt', 'limit', 'token', 'key', 'deadline')
  local done = 0
  if state[1] == 'running' and state[2] == number then
    local fields = { 'status', status, 'a' .. number, ARGV[i + 4], 'updated', now, 'token', token }
    local size = 8
    local function set(name, value)
      if value ~= '' then
        fields[size + 1], fields[size + 2] = name, value
        size = size + 2
      end
    end
    set('error', ARGV[i + 5])
    set('reason', ARGV[i + 6])
    set('result', ARGV[i + 7])
    set('body', ARGV[i + 8])
    if ARGV[i + 10] == '1' then
      set('limit', tonumber(state[3]) + 1)
    end
    call('HSET', task, unpack(fields))
    if number ~= '1' then
      clear(task, ARGV[i + 5], ARGV[i + 7], ARGV[i + 8])
    end
    move(id, 'running', status)
    create_if_new(tonumber(ARGV[i + 11]), token)
    if TERMINAL[status] then
      retain(id, task, status, state[5], now, ARGV[i + 9])
    else
      add(DUE, ARGV[i + 3], id)
      if state[6] then
        add(DEADLINES, state[6], id) -- it may have gone from there while the attempt ran
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
