-- Uses holders.
-- ARGV: now, most, the shortest and the longest pause before another look at a dedup key that is still held. Answers how
-- many were removed, at most twice as many. A record is mostly gone by its TTL already.

local members = call('ZRANGEBYSCORE', RETENTION, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])

local function prune_task(id, member)
  local state = call('HMGET', TASK .. id, 'status', 'idempotency_key')
  if state[1] and not TERMINAL[state[1]] then
    return
  end
  if state[1] then
    call('UNLINK', TASK .. id)
  end
  if state[2] then
    call('UNLINK', KEY .. state[2])
  end
  for status in pairs(TERMINAL) do
    remove(INDEX .. status, id)
  end
  remove(DEAD, member)
end

for _, member in ipairs(members) do
  local id = string.sub(member, 3)
  if string.sub(member, 1, 2) == 't:' then
    prune_task(id, member)
  else
    call('UNLINK', DEAD_MESSAGE_KEY .. id)
    remove(DEAD, member)
  end
  remove(RETENTION, member)
end

local keys = call('ZRANGEBYSCORE', DEDUP_ENDS, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, key in ipairs(keys) do
  local holder, _, _, ends = dedup_holder(key, ARGV[1])
  if holder then
    local now = tonumber(ARGV[1])
    local pause = math.max(tonumber(ARGV[3]), math.min(now - ends, tonumber(ARGV[4])))
    add(DEDUP_ENDS, now + pause, key)
  else
    call('HDEL', DEDUPS, key)
    remove(DEDUP_ENDS, key)
  end
end

flush()
return math.max(#members, #keys)
