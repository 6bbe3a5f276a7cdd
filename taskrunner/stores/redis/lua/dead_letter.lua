-- ARGV: id. Answers {letter, raw}, a message before a task, or false.

for _, member in ipairs({ 'm:' .. ARGV[1], 't:' .. ARGV[1] }) do
  local died = call('ZSCORE', DEAD, member)
  local found = died and letter(member, died)
  if found then
    return { found, call('HGET', LETTER .. ARGV[1], 'raw') }
  end
end
return false
