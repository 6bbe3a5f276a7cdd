-- Uses records, dead_letters.
-- ARGV: id. Answers {letter, raw}, a message before a task, or false.

for _, member in ipairs({ 'm:' .. ARGV[1], 't:' .. ARGV[1] }) do
  local found = call('ZSCORE', DEAD, member) and dead_letter(member)
  if found then
    return { found, call('HGET', DEAD_MESSAGE_KEY .. ARGV[1], 'raw') }
  end
end
return false
