-- ARGV: statuses. Answers how many tasks have each.

local answers = {}
for i, status in ipairs(ARGV) do
  answers[i] = call('ZCARD', INDEX .. status)
end
return answers
