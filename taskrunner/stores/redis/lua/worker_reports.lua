-- ARGV: now, ms. Answers {report, report, …}.

local answers = {}
for _, consumer in ipairs(call('ZRANGEBYSCORE', REPORTS, '(' .. ARGV[1], '+inf')) do
  local report = call('GET', REPORT .. consumer)
  if report then
    answers[#answers + 1] = report
  end
end
return answers
