-- ARGV: name, expected version. Answers 1 if the schedule had this version, and is gone.

if call('HGET', SCHEDULE_KEY .. ARGV[1], 'version') ~= ARGV[2] then
  return 0
end
call('ZREM', SCHEDULES, ARGV[1])
call('ZREM', SLOTS, ARGV[1])
return call('DEL', SCHEDULE_KEY .. ARGV[1])
