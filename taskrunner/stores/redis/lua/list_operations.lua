-- Uses operations, position.
-- ARGV: most operations, the last id of the page before ('' for none).
-- Answers {1 if there are more, else 0; operation, operation, …}, the newest first.

local limit = tonumber(ARGV[1])
local start = ARGV[2] ~= '' and position(OPERATIONS, 0, ARGV[2]) or 0
local ids = call('ZREVRANGE', OPERATIONS, start, start + limit)
local more = #ids > limit and 1 or 0
if more == 1 then
  ids[#ids] = nil
end
return add_operations({ more }, ids)
