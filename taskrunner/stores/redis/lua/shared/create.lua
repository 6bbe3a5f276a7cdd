-- Shared by the scripts that accept tasks.

local function append(fields, name, value)
  local size = #fields
  fields[size + 1], fields[size + 2] = name, value
end

-- A new task, from the values of NEW_TASK that begin at `i` in ARGV ('' for none).
local function create(id, i, token)
  local dedup = ARGV[i + NEW_TASK.dedup_key]
  local key, deadline = ARGV[i + NEW_TASK.idempotency_key], ARGV[i + NEW_TASK.deadline_ms]
  local fields = {
    'encoded', ARGV[i + NEW_TASK.encoded], 'queue', ARGV[i + NEW_TASK.queue],
    'max_attempts', ARGV[i + NEW_TASK.max_attempts], 'attempt_limit', ARGV[i + NEW_TASK.attempt_limit],
    'attempt', ARGV[i + NEW_TASK.attempt], 'updated_ms', ARGV[i + NEW_TASK.created_at_ms],
    'status', 'scheduled', 'token', token,
  }
  if key ~= '' then
    append(fields, 'idempotency_key', key)
    call('SET', KEY .. key, id .. ' ' .. ARGV[i + NEW_TASK.fingerprint])
  end
  if dedup ~= '' then
    local ends = ARGV[i + NEW_TASK.dedup_until_ms]
    call('HSET', DEDUPS, dedup, id .. ' ' .. ends)
    add(DEDUP_ENDS, ends, dedup)
  end
  if deadline ~= '' then
    append(fields, 'deadline_ms', deadline)
    add(DEADLINES, deadline, id)
  end
  call('HSET', TASK .. id, unpack(fields))
  add(DUE_TIMES, ARGV[i + NEW_TASK.due_ms], id)
  add(INDEX .. 'scheduled', ARGV[i + NEW_TASK.created_at_ms], id)
  changed(id, 'scheduled')
end

-- The same for the values at `i`, unless the id is taken.
local function create_if_new(i, token)
  if call('EXISTS', TASK .. ARGV[i]) == 0 then
    create(ARGV[i], i, token)
  end
end

-- The same for all `places`, a text of numbers.
local function create_all(places, token)
  for place in string.gmatch(places, '%d+') do
    create_if_new(tonumber(place), token)
  end
end
