-- Shared by the scripts that answer with dead letters.

-- {'m:<id>', died at, reason, error, queue, url, attempt, x_death} or {'t:<id>', died at, its record}, or nil.
local function letter(member, died)
  local id = string.sub(member, 3)
  if string.sub(member, 1, 2) == 't:' then
    local failed = record(id)
    return failed and { member, died, failed }
  end
  local fields = call('HMGET', LETTER .. id, 'reason', 'error', 'queue', 'url', 'attempt', 'x_death')
  return fields[1] and { member, died, unpack(fields) }
end
