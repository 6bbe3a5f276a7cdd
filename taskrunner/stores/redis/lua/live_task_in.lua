-- ARGV: queue, status, tasks to pass over, most to look at. Answers {id or '', tasks looked at}.

local ids = call('ZRANGE', INDEX .. ARGV[2], ARGV[3], ARGV[3] + ARGV[4] - 1)
for _, id in ipairs(ids) do
  if call('HGET', TASK .. id, 'queue') == ARGV[1] then
    return {id, #ids}
  end
end
return {'', #ids}
