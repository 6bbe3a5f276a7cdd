-- Shared by the scripts that answer with dead letters.

-- {'m:<id>', {the fields of DEAD_MESSAGE}} or {'t:<id>', its record}, or nil.
local function dead_letter(member)
  local id = string.sub(member, 3)
  if string.sub(member, 1, 2) == 't:' then
    local failed = record(id)
    return failed and { member, failed }
  end
  local fields = call('HMGET', DEAD_MESSAGE_KEY .. id, unpack(DEAD_MESSAGE_FIELDS))
  return fields[DEAD_MESSAGE.reason + 1] and { member, fields }
end
