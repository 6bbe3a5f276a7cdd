-- Uses records, dead_letters.
-- ARGV: most letters, time of death and member of the last one of the page before ('' for none),
-- most members to look at. Answers {next died, next member ('' at the end), letter, letter, …}, latest first.

local limit, died, member, most = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])

-- Redis sorts members of one score by their bytes; Lua's own > goes by the server's locale.
local function sorts_behind(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a > b
    end
  end
  return #one > #other
end

-- Where the page begins. The last letter may be gone by now: then it is after all that died later or
-- at the same moment under a name that sorts behind.
local start = 0
if member ~= '' then
  if call('ZSCORE', DEAD, member) == died then
    start = call('ZREVRANK', DEAD, member) + 1
  else
    start = call('ZCOUNT', DEAD, '(' .. died, '+inf')
    for _, other in ipairs(call('ZREVRANGEBYSCORE', DEAD, died, died)) do
      if sorts_behind(other, member) then
        start = start + 1
      end
    end
  end
end

local page = call('ZREVRANGE', DEAD, start, start + most, 'WITHSCORES')
local answers = { '', '' }
for i = 1, #page, 2 do
  if #answers - 2 >= limit or i > 2 * most then
    answers[1], answers[2] = page[i - 1], page[i - 2]
    return answers
  end
  answers[#answers + 1] = dead_letter(page[i])
end
return answers
