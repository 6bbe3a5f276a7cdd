-- Uses entries.
-- ARGV: number of the set in which the ids were found, 0 for the records themselves; the namespace if it is what that
-- has of the set, else ''; then ids.
-- Answers for each flaw: id, flaw. A task without a record is reported for the first set that has it.

local found_in, namespace = tonumber(ARGV[1]), ARGV[2] ~= '' and ARGV[2]
local answers, size = {}, 0

local function report(id, flaw)
  answers[size + 1], answers[size + 2] = id, flaw
  size = size + 2
end

local function inspect_record(id, state)
  local kept = call('ZSCORE', RETENTION, 't:' .. id) and true or false
  local misfiled = kept ~= (TERMINAL[state[1]] or false)
  for _, set in ipairs(SETS) do
    local should = belongs(set, state)
    if should ~= nil and not agrees(set, id, should) then
      if set == DUE_TIMES then
        report(id, should and 'not_due' or 'due_though_ended')
      else
        misfiled = true
      end
    end
  end
  if misfiled then
    report(id, 'misfiled')
  end
end

-- The place of the first set that has the id, among those up to `last`.
local function first_set(id, kept, last, namespace)
  for i = 1, last do
    if not (kept and OUTLIVES[SETS[i]]) and is_in(SETS[i], id, namespace) then
      return i
    end
  end
end

local function is_first(id, kept)
  if not namespace then
    return first_set(id, kept, found_in) == found_in
  end
  return not first_set(id, kept, #SETS) and first_set(id, kept, found_in, namespace) == found_in
end

for i = 3, #ARGV do
  local id = ARGV[i]
  local state = call('HMGET', TASK .. id, 'status', 'deadline_ms')
  if found_in == 0 then
    if state[1] then
      inspect_record(id, state)
    end
  elseif not state[1] and is_first(id, call('ZSCORE', RETENTION, 't:' .. id)) then
    report(id, 'no_record')
  end
end

return answers
