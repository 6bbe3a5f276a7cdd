-- Shared by the scripts that ask which task holds an idempotency key or a dedup key.

-- The id and the fingerprint that hold an idempotency key, as long as that task has a record.
local function key_holder(key)
  local value = key ~= '' and call('GET', KEY .. key)
  if not value then
    return nil
  end
  local id, fingerprint = match(value, '^(%S*) (.*)$')
  if id and call('EXISTS', TASK .. id) == 1 then
    return id, fingerprint
  end
  return nil
end

-- The id of the task that holds a dedup key at `now`, its status, its attempt and the key's time. A task holds its
-- key while it is alive, and until the key's time unless it was cancelled or deleted.
local function dedup_holder(key, now)
  local value = call('HGET', DEDUPS, key)
  if not value then
    return nil
  end
  local id, ends = match(value, '^(%S+) (%d+)$')
  local state = call('HMGET', TASK .. id, 'status', 'attempt')
  local status = state[1]
  if not status or status == 'cancelled' or (TERMINAL[status] and tonumber(ends) <= tonumber(now)) then
    return nil
  end
  return id, status, state[2], tonumber(ends)
end
