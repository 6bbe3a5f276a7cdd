-- Uses schedules.
-- ARGV: now, most schedules. Answers with those whose next slot has come, the longest overdue first.

return add_schedules({}, call('ZRANGEBYSCORE', SLOTS, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2]))
