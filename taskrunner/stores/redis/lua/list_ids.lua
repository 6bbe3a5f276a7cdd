-- ARGV: most ids per status, the last id of the page before ('' for none), then the statuses.
-- Answers one list per status, by descending id. They are merged by the adapter: Redis sorts by bytes, but
-- Lua's < goes by the server's locale.

local from = ARGV[2] == '' and '+' or '(' .. ARGV[2]
local answers = {}
for i = 3, #ARGV do
  answers[i - 2] = call('ZREVRANGEBYLEX', INDEX .. ARGV[i], from, '-', 'LIMIT', 0, ARGV[1])
end
return answers
