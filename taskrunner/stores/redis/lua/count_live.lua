-- ARGV: namespaces. Answers how many live tasks each has.

local answers = {}
for i, namespace in ipairs(ARGV) do
  local count = 0
  for _, status in ipairs(LIVE) do
    count = count + call('ZCARD', own(INDEX .. status, namespace))
  end
  answers[i] = count
end
return answers
