-- ARGV: name, expected version ('' for none), new version, body, next slot in ms ('' for none),
-- then for each task what `create` takes. Answers 1 if it was written, 0 if the version is another.

local name, expected, version, body, next_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local schedule = SCHEDULE .. name
local found = call('HGET', schedule, 'version') or ''

if found == version then
  return 1 -- this very call was sent again, its first answer got lost
elseif found ~= expected then
  return 0
end

call('HSET', schedule, 'version', version, 'body', body, 'next', next_at)
add(SCHEDULES, '0', name)
if next_at == '' then
  remove(SLOTS, name)
else
  add(SLOTS, next_at, name)
end
for i = 6, #ARGV, 11 do
  create_if_new(i, version)
end

flush()
return 1
