-- ARGV: now and the end of the report, ms; consumer and report ('' for none); for each of the figures: time, process,
-- figures, time to live (ms).

if ARGV[3] ~= '' then
  call('SET', REPORT .. ARGV[3], ARGV[4])
  call('PEXPIRE', REPORT .. ARGV[3], math.max(1, tonumber(ARGV[2]) - tonumber(ARGV[1])))
  call('ZADD', REPORTS, ARGV[2], ARGV[3])
end
for i = 5, #ARGV, 4 do
  local key = FIGURES .. ARGV[i]
  call('HSET', key, ARGV[i + 1], ARGV[i + 2])
  call('PEXPIRE', key, ARGV[i + 3])
end
local void = call('ZRANGEBYSCORE', REPORTS, '-inf', ARGV[1], 'LIMIT', 0, 100)
if #void > 0 then
  call('ZREM', REPORTS, unpack(void))
end
return 1
