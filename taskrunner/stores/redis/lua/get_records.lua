-- Uses records.
-- ARGV: ids. Answers with a record, or false, for each.

local answers = {}
for i, id in ipairs(ARGV) do
  answers[i] = record(id) or false
end
return answers
