-- Runs every command that the other scripts use, on a key that is gone afterwards. A server that would refuse
-- one of them (no memory, a replica, an ACL) then refuses here, and never in the middle of a change.

local probe = PREFIX .. 'probe'

call('SET', probe, '1')
call('GET', probe)
call('PEXPIRE', probe, '60000')
call('PERSIST', probe)
call('PTTL', probe)
call('EXISTS', probe)
call('DEL', probe)

call('HSET', probe, 'one', '1', 'two', '2')
call('HGET', probe, 'one')
call('HMGET', probe, 'one', 'two')
call('HGETALL', probe)
call('HSTRLEN', probe, 'one')
call('HDEL', probe, 'one')
call('UNLINK', probe)

call('ZADD', probe, '0', 'one', '0', 'two')
call('ZSCORE', probe, 'one')
call('ZMSCORE', probe, 'one')
call('ZCARD', probe)
call('ZSCAN', probe, '0')
call('ZCOUNT', probe, '-inf', '+inf')
call('ZRANGEBYSCORE', probe, '-inf', '+inf')
call('ZRANGE', probe, '0', '1')
call('ZREVRANGE', probe, '0', '1')
call('ZREVRANGEBYSCORE', probe, '+inf', '-inf')
call('ZRANGEBYLEX', probe, '-', '+')
call('ZREM', probe, 'one', 'two')
call('DEL', probe)

call('XADD', probe, 'MAXLEN', '~', '1', '*', 'one', '1')
call('XRANGE', probe, '-', '+', 'COUNT', '1')
call('XREVRANGE', probe, '+', '-', 'COUNT', '1')
call('DEL', probe)
return 1
