-- Shared by the scripts that end tasks: a TTL for every key, an entry in `retention`, none in `due` and `deadlines`.

local function retain(id, task, status, key, now, retention)
  call('PEXPIRE', task, retention)
  if key then
    call('PEXPIRE', KEY .. key, retention)
  end
  remove(DUE_TIMES, id)
  remove(DEADLINES, id)
  add(RETENTION, tonumber(now) + tonumber(retention), 't:' .. id)
  if status == 'failed' then
    add(DEAD, now, 't:' .. id)
  end
end
