-- Uses position.
-- ARGV: most entries, the last id of the page before ('' for none).
-- Answers {1 if there are more, else 0; entry, entry, …}, the newest first.

local limit = tonumber(ARGV[1])
local start = ARGV[2] ~= '' and position(AUDIT_IDS, 0, ARGV[2]) or 0
local ids = call('ZREVRANGE', AUDIT_IDS, start, start + limit)
local answers = { #ids > limit and 1 or 0 }
for i = 1, math.min(#ids, limit) do
  answers[#answers + 1] = call('HGET', AUDIT, ids[i])
end
return answers
