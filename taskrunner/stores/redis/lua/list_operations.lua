-- Uses operations, position.
-- ARGV: most operations, the last id of the page before ('' for none), the namespace ('' for all).
-- Answers {1 if there are more, else 0; operation, operation, …}, the newest first.

local limit = tonumber(ARGV[1])
local set = ARGV[3] ~= '' and own(OPERATIONS, ARGV[3]) or OPERATIONS
local start = ARGV[2] ~= '' and position(set, 0, ARGV[2]) or 0
local ids = call('ZREVRANGE', set, start, start + limit)
local more = #ids > limit and 1 or 0
if more == 1 then
  ids[#ids] = nil
end
return add_operations({ more }, ids)
