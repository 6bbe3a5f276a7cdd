-- ARGV: id, entry. An entry that is there already is left as it is.

if not call('HGET', AUDIT, ARGV[1]) then
  call('ZADD', AUDIT_IDS, 0, ARGV[1])
  call('HSET', AUDIT, ARGV[1], ARGV[2])
end
return 1
