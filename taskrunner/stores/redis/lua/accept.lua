-- Uses create.
-- ARGV: token, then for each task the values of NEW_TASK.
-- Answers for each task: created | exists | conflict, and the stored id ('' for its own).

local token = ARGV[1]
local answers, size = {}, 0
local seen = {}

local function answer(result, id)
  answers[size + 1] = result
  answers[size + 2] = id
  size = size + 2
end

-- The id and the fingerprint that hold a key, as long as that task has a record.
local function holder(key)
  local value = key ~= '' and call('GET', KEY .. key)
  if not value then
    return nil
  end
  local id, fingerprint = string.match(value, '^(%S*) (.*)$')
  if id and call('EXISTS', TASK .. id) == 1 then
    return id, fingerprint
  end
  return nil
end

for i = 2, #ARGV, NEW_TASK.size do
  local id = ARGV[i]
  local key, fingerprint = ARGV[i + NEW_TASK.idempotency_key], ARGV[i + NEW_TASK.fingerprint]
  local held_by, held_for = holder(key)
  if held_by and held_for ~= fingerprint then
    answer('conflict', held_by)
  elseif held_by and held_by ~= id then
    answer('exists', held_by)
  else
    local writer = call('HGET', TASK .. id, 'token')
    if not writer then
      create(id, i, token)
      seen[id] = true
      answer('created', '')
    elseif writer == token and not seen[id] then
      seen[id] = true -- this very call was sent again, its first answer got lost
      answer('created', '')
    elseif string.sub(writer, 1, #GONE) == GONE then
      answer('conflict', '')
    else
      answer('exists', '')
    end
  end
end

flush()
return answers
