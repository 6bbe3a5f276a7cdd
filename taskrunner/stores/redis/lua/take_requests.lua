-- ARGV: now and the skew of clocks, us; for each key: name, interval (us), burst, wanted requests.
-- Answers for each: {granted, how far the theoretical arrival time is ahead of now, us}. See domain/rate_limit.py.

local now, skew = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {}
for i = 3, #ARGV, 4 do
  local key, interval = RATE .. ARGV[i], tonumber(ARGV[i + 1])
  local tolerance = interval * tonumber(ARGV[i + 2])
  local before = tonumber(call('GET', key) or 0)
  local arrival = before
  if arrival > now + tolerance + skew then
    arrival = math.floor(now + tolerance)
  end
  local room = math.floor((tolerance - math.max(arrival - now, 0)) / interval + 1e-9)
  local granted = math.max(0, math.min(room, tonumber(ARGV[i + 3])))
  if granted > 0 then
    arrival = math.floor(math.max(arrival, now) + granted * interval)
  end
  -- Also after a slower limit or a wrong clock, which would be far ahead for ever otherwise.
  if arrival ~= before then
    call('SET', key, string.format('%.0f', arrival))
    call('PEXPIRE', key, math.ceil((arrival - now + skew) / 1000))
  end
  answers[#answers + 1] = { granted, string.format('%.0f', arrival - now) }
end
return answers
