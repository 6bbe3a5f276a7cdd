-- Uses operations.
-- ARGV: most operations. Answers {operation, operation, …}, the oldest first.

return add_operations({}, call('ZRANGEBYLEX', LIVE_OPERATIONS, '-', '+', 'LIMIT', 0, ARGV[1]))
