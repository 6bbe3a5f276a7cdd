-- Uses entries.
-- ARGV: number of the set in which the ids were found, 0 for the records themselves; then ids.
-- Answers for each flaw: id, flaw. One of a task without a record is told in the first set that has it.

local found_in = tonumber(ARGV[1])
local answers, size = {}, 0

local function tell(id, flaw)
  answers[size + 1], answers[size + 2] = id, flaw
  size = size + 2
end

local function inspect_record(id, state)
  local kept = call('ZSCORE', RETENTION, 't:' .. id) and true or false
  local misfiled = kept ~= (TERMINAL[state[1]] or false)
  for _, set in ipairs(SETS) do
    local should = belongs(set, state)
    if should ~= nil and should ~= is_in(set, id) then
      if set == DUE_TIMES then
        tell(id, should and 'not_due' or 'due_though_ended')
      else
        misfiled = true
      end
    end
  end
  if misfiled then
    tell(id, 'misfiled')
  end
end

local function is_first(id, kept)
  for i = 1, found_in do
    if not (kept and OUTLIVES[SETS[i]]) and is_in(SETS[i], id) then
      return i == found_in
    end
  end
  return false
end

for i = 2, #ARGV do
  local id = ARGV[i]
  local state = call('HMGET', TASK .. id, 'status', 'deadline_ms')
  if found_in == 0 then
    if state[1] then
      inspect_record(id, state)
    end
  elseif not state[1] and is_first(id, call('ZSCORE', RETENTION, 't:' .. id)) then
    tell(id, 'no_record')
  end
end

return answers
