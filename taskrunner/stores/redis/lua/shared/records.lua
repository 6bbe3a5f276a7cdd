-- Shared by the scripts that answer with records.

-- {{the fields of RECORD}, attempt 1, attempt 2, …} or nil.
local function record(id)
  local task = TASK .. id
  local fields = call('HMGET', task, unpack(RECORD_FIELDS))
  if not fields[RECORD.status + 1] then
    return nil
  end
  fields[RECORD.due_ms + 1] = call('ZSCORE', DUE_TIMES, id)
  fields[RECORD.kept_until_ms + 1] = call('ZSCORE', RETENTION, 't:' .. id)
  local answer = { fields }
  for number = 1, tonumber(fields[RECORD.attempt + 1]) do
    answer[1 + number] = call('HGET', task, 'a' .. number)
  end
  return answer
end
