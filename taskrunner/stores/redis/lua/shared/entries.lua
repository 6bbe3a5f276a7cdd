-- Shared by the scripts that compare a task's entries with its record.

-- The sorted sets that a task may be in, in the order in which the adapter walks through them.
local SETS = {}
for i, status in ipairs(STATUSES) do
  SETS[i] = INDEX .. status
end
SETS[#SETS + 1] = DUE_TIMES
SETS[#SETS + 1] = DEADLINES
SETS[#SETS + 1] = DEAD

-- Those that exist once more for each namespace.
local LISTS = { [DEAD] = true }
for _, status in ipairs(STATUSES) do
  LISTS[INDEX .. status] = true
end

-- A record that has outlived its retention is gone by its TTL before its entries are pruned.
local OUTLIVES = { [DEAD] = true }
for status in pairs(TERMINAL) do
  OUTLIVES[INDEX .. status] = true
end

-- How an id begins if only one API key and operators see it ("<name>~", see domain/tasks/submitter.py), else nil.
local function namespace_of(id)
  return match(id, '^[^~]*~')
end

local function member_of(set, id)
  return set == DEAD and 't:' .. id or id
end

-- Its score in the set, or in what the namespace has of the set; else false.
local function score_in(set, id, namespace)
  return call('ZSCORE', namespace and own(set, namespace) or set, member_of(set, id))
end

local function is_in(set, id, namespace)
  return score_in(set, id, namespace) and true or false
end

-- Whether it is in the set, and in what its namespace has of the set, or in neither.
local function agrees(set, id, should)
  local namespace = LISTS[set] and namespace_of(id)
  return is_in(set, id) == should and (not namespace or is_in(set, id, namespace) == should)
end

-- Whether a task with this status and deadline belongs in the set; nil where either is right.
local function belongs(set, state)
  local status, deadline = state[1], state[2]
  if set == DUE_TIMES then
    return not TERMINAL[status]
  elseif set == DEAD then
    return status == 'failed'
  elseif set == DEADLINES then
    if TERMINAL[status] or not deadline then
      return false
    elseif status == 'running' then
      return nil
    end
    return true
  end
  return set == INDEX .. status
end
