-- ARGV: name. Answers 1 if there was such a schedule.

call('ZREM', SCHEDULES, ARGV[1])
call('ZREM', SLOTS, ARGV[1])
return call('DEL', SCHEDULE_KEY .. ARGV[1])
