-- ARGV: for how long, in ms; a new secret. Answers the id of the last change, and the secret of the log.

if call('EXISTS', CHANGES) == 0 then
  call('XADD', CHANGES, '*', '', '') -- changes are logged while there is a log
  call('SET', CHANGES_SECRET, ARGV[2])
end
if call('PTTL', CHANGES) < tonumber(ARGV[1]) then
  call('PEXPIRE', CHANGES, ARGV[1])
  call('PEXPIRE', CHANGES_SECRET, ARGV[1])
end
return { call('XREVRANGE', CHANGES, '+', '-', 'COUNT', '1')[1][1], call('GET', CHANGES_SECRET) }
