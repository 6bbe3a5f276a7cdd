-- Shared by the scripts that change a task only in the state in which somebody has seen it, written as `seen_state` does.

local function is_as_seen(id, seen)
  local state = call('HMGET', TASK .. id, 'status', 'attempt', 'updated_ms', 'snoozes')
  local due = call('ZSCORE', DUE_TIMES, id)
  due = due and string.format('%.0f', tonumber(due)) or ''
  return concat({ state[1] or '', state[2] or '', state[3] or '', due, state[4] or '0' }, ' ') == seen
end
