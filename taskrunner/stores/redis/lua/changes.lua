-- ARGV: id of the change after which to begin, how many.
-- Answers the first and the last id of the log ('' for both if there is none), and the changes: {id, {task, status}}.

local first = call('XRANGE', CHANGES, '-', '+', 'COUNT', '1')[1]
if not first then
  return { '', '', {} }
end
local last = call('XREVRANGE', CHANGES, '+', '-', 'COUNT', '1')[1]
return { first[1], last[1], call('XRANGE', CHANGES, '(' .. ARGV[1], '+', 'COUNT', ARGV[2]) }
