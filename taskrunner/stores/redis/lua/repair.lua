-- Uses entries.
-- ARGV: now, end of a lease, retention of what has ended in ms, then ids. Answers 1 for each that was changed, else 0.

local now, lease, retention = ARGV[1], ARGV[2], ARGV[3]
local answers = {}
local seen = {}

local function score(set, id, state)
  local namespace = LISTS[set] and namespace_of(id)
  local found = score_in(set, id) or namespace and score_in(set, id, namespace)
  if found then
    return found
  end
  if set == DUE_TIMES then
    return state[1] == 'running' and lease or now
  elseif set == DEADLINES then
    return state[2]
  end
  return state[3]
end

local function retain(id, state)
  call('PEXPIRE', TASK .. id, retention)
  if state[4] then
    call('PEXPIRE', KEY .. state[4], retention)
  end
  add(RETENTION, tonumber(now) + tonumber(retention), 't:' .. id)
end

local function live_on(id, state)
  call('PERSIST', TASK .. id)
  if state[4] then
    call('PERSIST', KEY .. state[4])
  end
  remove(RETENTION, 't:' .. id)
end

local function repair(id)
  local state = call('HMGET', TASK .. id, 'status', 'deadline_ms', 'updated_ms', 'idempotency_key')
  local kept = call('ZSCORE', RETENTION, 't:' .. id) and true or false
  local ended = TERMINAL[state[1]] or false
  local changed = kept ~= ended
  if changed and ended then
    retain(id, state)
  elseif changed and state[1] then
    live_on(id, state)
  elseif changed then
    remove(RETENTION, 't:' .. id)
  end
  for _, set in ipairs(SETS) do
    local should = false
    if state[1] then
      should = belongs(set, state)
    end
    if should ~= nil and not agrees(set, id, should) then
      changed = true
      if should then
        add(set, score(set, id, state), member_of(set, id))
      else
        remove(set, member_of(set, id))
      end
    end
  end
  return changed
end

for i = 4, #ARGV do
  local id = ARGV[i]
  answers[#answers + 1] = not seen[id] and repair(id) and 1 or 0
  seen[id] = true
end

flush()
return answers
