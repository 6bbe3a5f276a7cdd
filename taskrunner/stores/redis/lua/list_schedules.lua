-- Uses schedules.
-- ARGV: most schedules, the last name of the page before ('' for none).
-- Answers {1 if there are more, else 0; schedule, schedule, …} by name.

local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local names = call('ZRANGEBYLEX', SCHEDULES, from, '+', 'LIMIT', 0, ARGV[1] + 1)
local more = #names > tonumber(ARGV[1]) and 1 or 0
if more == 1 then
  names[#names] = nil
end
return add_schedules({ more }, names)
