-- ARGV: seconds, the first start, the last. Answers {start, process, figures, start, process, figures, …}.

local step = tonumber(ARGV[1])
local answers = {}
for start = tonumber(ARGV[2]), tonumber(ARGV[3]), step do
  local time = string.format('%.0f', start)
  local found = call('HGETALL', FIGURES .. ARGV[1] .. ':' .. time)
  for i = 1, #found, 2 do
    answers[#answers + 1] = time
    answers[#answers + 1] = found[i]
    answers[#answers + 1] = found[i + 1]
  end
end
return answers
