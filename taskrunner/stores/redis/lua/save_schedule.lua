-- Uses create.
-- ARGV: expected version ('' for none), the values of SCHEDULE, then for each task what `create` takes.
-- Answers 1 if it was written, 0 if the version is another.

local function given(name)
  return ARGV[2 + SCHEDULE[name]]
end

local name, version, next_at = given('name'), given('version'), given('next_at_ms')
local schedule = SCHEDULE_KEY .. name
local found = call('HGET', schedule, 'version') or ''

if found == version then
  return 1 -- this very call was sent again, its first answer got lost
elseif found ~= ARGV[1] then
  return 0
end

for _, field in ipairs(SCHEDULE_FIELDS) do
  call('HSET', schedule, field, given(field))
end
add(SCHEDULES, '0', name)
if next_at == '' then
  remove(SLOTS, name)
else
  add(SLOTS, next_at, name)
end
for i = 2 + SCHEDULE.size, #ARGV, NEW_TASK.size do
  create_if_new(i, version)
end

flush()
return 1
