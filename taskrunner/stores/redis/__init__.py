"""The store on Redis 6.2 to 8.x and Valkey: each state change is one Lua script over a batch."""
