-- Shared by the scripts that answer with operations.

-- Adds the fields of OPERATION for each id. One that is gone is skipped.
local function add_operations(answers, ids)
  for _, id in ipairs(ids) do
    local state = call('HMGET', OPERATION_KEY .. id, unpack(OPERATION_FIELDS))
    if state[OPERATION.version] then
      answers[#answers + 1] = { id, unpack(state) }
    end
  end
  return answers
end
