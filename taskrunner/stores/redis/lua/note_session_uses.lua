-- ARGV: per session its id and when it was last used. A session that has ended keeps no trace.

for place = 1, #ARGV, 2 do
  if call('HGET', SESSIONS, ARGV[place]) then
    call('HSET', SESSION_USES, ARGV[place], ARGV[place + 1])
  end
end
