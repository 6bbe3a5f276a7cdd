-- Shared by the scripts that accept tasks.

local function append(fields, name, value)
  local size = #fields
  fields[size + 1], fields[size + 2] = name, value
end

-- A new task, from eleven values of ARGV that begin at `i`: id, spec, queue, max attempts, attempt limit,
-- attempts made before, created, due, idempotency key, fingerprint, deadline ('' for none).
local function create(id, i, token)
  local key, deadline = ARGV[i + 8], ARGV[i + 10]
  local fields = {
    'spec', ARGV[i + 1], 'queue', ARGV[i + 2], 'max', ARGV[i + 3], 'limit', ARGV[i + 4],
    'status', 'scheduled', 'attempt', ARGV[i + 5], 'updated', ARGV[i + 6], 'token', token,
  }
  if key ~= '' then
    append(fields, 'key', key)
    call('SET', KEY .. key, id .. ' ' .. ARGV[i + 9])
  end
  if deadline ~= '' then
    append(fields, 'deadline', deadline)
    add(DEADLINES, deadline, id)
  end
  call('HSET', TASK .. id, unpack(fields))
  add(DUE, ARGV[i + 7], id)
  add(INDEX .. 'scheduled', '0', id)
end

-- The same for the values at `i`, nil for none, unless the id is taken.
local function create_if_new(i, token)
  if i and call('EXISTS', TASK .. ARGV[i]) == 0 then
    create(ARGV[i], i, token)
  end
end
