-- Shared by the scripts that end tasks: a TTL for every key, a line in `expiry`, and none in `due` and `deadlines`.

local function retain(id, task, status, key, now, keep)
  call('PEXPIRE', task, keep)
  if key then
    call('PEXPIRE', KEY .. key, keep)
  end
  remove(DUE, id)
  remove(DEADLINES, id)
  add(EXPIRY, tonumber(now) + tonumber(keep), 't:' .. id)
  if status == 'failed' then
    add(DEAD, now, 't:' .. id)
  end
end
