-- Uses records, dead_letters, position.
-- ARGV: most letters, time of death and member of the last one of the page before ('' for none),
-- most members to look at, the namespace ('' for all).
-- Answers {next died, next member ('' at the end), letter, letter, …}, latest first.

local limit, died, member, most = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
local dead = ARGV[5] == '' and DEAD or own(DEAD, ARGV[5])

local start = member ~= '' and position(dead, died, member) or 0
local page = call('ZREVRANGE', dead, start, start + most, 'WITHSCORES')
local answers = { '', '' }
for i = 1, #page, 2 do
  if #answers - 2 >= limit or i > 2 * most then
    answers[1], answers[2] = page[i - 1], page[i - 2]
    return answers
  end
  answers[#answers + 1] = dead_letter(page[i])
end
return answers
