-- Shared by the scripts that answer with records.

-- {id, status, attempt, limit, updated, due, expiry, error, reason, result, spec, snoozes, why,
-- attempt 1, attempt 2, …} or nil.
local function record(id)
  local task = TASK .. id
  local state = call('HMGET', task, 'status', 'attempt', 'limit', 'updated', 'error', 'reason', 'result', 'spec',
    'snoozes', 'why')
  if not state[1] then
    return nil
  end
  local answer = {
    id, state[1], state[2], state[3], state[4], call('ZSCORE', DUE, id), call('ZSCORE', EXPIRY, 't:' .. id),
    state[5], state[6], state[7], state[8], state[9], state[10],
  }
  for number = 1, tonumber(state[2]) do
    answer[13 + number] = call('HGET', task, 'a' .. number)
  end
  return answer
end
