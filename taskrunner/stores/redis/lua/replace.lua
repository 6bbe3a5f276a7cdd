-- Uses create, retain, holders.
-- ARGV: token, now, error, retention in ms, id and next attempt of the task to replace, the places in ARGV of the
-- tasks that follow it ('' for none); then the new task, and those that follow, as `create` takes them.
-- Answers created | exists | conflict | held, the stored id, and 1 if the other task was cancelled, else 0.

local token, now, error, retention, replaced, attempt = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local place = 8
local id = ARGV[place]

local writer = call('HGET', TASK .. id, 'token')
if writer == token then
  -- This very call was sent again, its first answer got lost.
  return { 'created', id, call('HGET', TASK .. replaced, 'token') == token and 1 or 0 }
elseif writer then
  return { string.sub(writer, 1, #GONE) == GONE and 'conflict' or 'exists', id, 0 }
end

local held_by, held_for = key_holder(ARGV[place + NEW_TASK.idempotency_key])
if held_by then
  return { held_for == ARGV[place + NEW_TASK.fingerprint] and 'exists' or 'conflict', held_by, 0 }
end

local holder, status, last = dedup_holder(ARGV[place + NEW_TASK.dedup_key], now)
local waits = holder and CLAIMABLE[status]
if holder and (holder ~= replaced or (waits and tonumber(last) + 1 ~= tonumber(attempt))) then
  return { 'held', holder, 0 }
end

create(id, place, token)
if waits then
  local task = TASK .. holder
  create_all(ARGV[7], token)
  call('HSET', task, 'status', 'cancelled', 'reason', 'cancelled', 'error', error, 'updated_ms', now, 'token', token)
  move(holder, status, 'cancelled')
  retain(holder, task, 'cancelled', call('HGET', task, 'idempotency_key'), now, retention)
end

flush()
return { 'created', id, waits and 1 or 0 }
