-- Shared by the scripts that accept tasks.

-- A new task, from ten values of ARGV that begin at `i`: id, spec, lane, max attempts, attempt limit,
-- attempts made before, created, due, idempotency key, fingerprint.
local function create(id, i, token)
  local key = ARGV[i + 8]
  local fields = {
    'spec', ARGV[i + 1], 'lane', ARGV[i + 2], 'max', ARGV[i + 3], 'limit', ARGV[i + 4],
    'status', 'scheduled', 'attempt', ARGV[i + 5], 'updated', ARGV[i + 6], 'token', token,
  }
  if key ~= '' then
    fields[17], fields[18] = 'key', key
    call('SET', KEY .. key, id .. ' ' .. ARGV[i + 9])
  end
  call('HSET', TASK .. id, unpack(fields))
  add(DUE, ARGV[i + 7], id)
  add(INDEX .. 'scheduled', '0', id)
end
