-- ARGV: ids of sessions. Answers how many there were; their last uses go with them.

local ended = 0
for _, id in ipairs(ARGV) do
  ended = ended + call('HDEL', SESSIONS, id)
  call('HDEL', SESSION_USES, id)
end
return ended
