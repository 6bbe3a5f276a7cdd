-- Uses create, holders.
-- ARGV: token; each, all or none; then for each task the values of NEW_TASK.
-- Answers for each task: created | exists | conflict | held, and the stored id ('' for its own).
-- With `all`, nothing is written unless each is created, with `none` never; then no id and no key comes twice.

local token, mode = ARGV[1], ARGV[2]
local answers, size = {}, 0
local seen, fresh = {}, {}
local is_whole = true

-- The answer for the task at `i`, the stored id, and whether the task is still to be written.
local function judge(i)
  local id = ARGV[i]
  local held_by, held_for = key_holder(ARGV[i + NEW_TASK.idempotency_key])
  if held_by and held_for ~= ARGV[i + NEW_TASK.fingerprint] then
    return 'conflict', held_by
  elseif held_by and held_by ~= id then
    return 'exists', held_by
  end
  local writer = call('HGET', TASK .. id, 'token')
  if not writer then
    local dedup = ARGV[i + NEW_TASK.dedup_key]
    local dedup_held_by = dedup ~= '' and dedup_holder(dedup, ARGV[i + NEW_TASK.created_at_ms])
    if dedup_held_by then
      return 'held', dedup_held_by
    end
    return 'created', '', true
  elseif writer == token and not seen[id] then
    return 'created', '' -- this very call was sent again, its first answer got lost
  elseif string.sub(writer, 1, #GONE) == GONE then
    return 'conflict', ''
  end
  return 'exists', ''
end

for i = 3, #ARGV, NEW_TASK.size do
  local answer, stored_id, is_new = judge(i)
  answers[size + 1] = answer
  answers[size + 2] = stored_id
  size = size + 2
  if answer == 'created' then
    seen[ARGV[i]] = true
  else
    is_whole = false
  end
  if is_new and mode == 'each' then
    create(ARGV[i], i, token)
  elseif is_new then
    fresh[#fresh + 1] = i
  end
end

if mode == 'all' and is_whole then
  for _, i in ipairs(fresh) do
    create(ARGV[i], i, token)
  end
end

flush()
return answers
