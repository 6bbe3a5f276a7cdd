-- ARGV: name, key, the key that it replaces ('' for none). Answers 1 if it was written, or stands there already.

local found = call('HGET', API_KEYS, ARGV[1]) or ''

if found ~= ARGV[2] then
  if found ~= ARGV[3] then
    return 0
  end
  call('HSET', API_KEYS, ARGV[1], ARGV[2])
end
return 1
