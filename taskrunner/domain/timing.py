"""Times that the producer and the consumer share. The settings that hold them can be configured."""

# Seconds for which a task that somebody has taken to publish it is hidden from the relays (`Relay.hold`).
HOLD = 10.0
# Seconds after which the tasks of a consumer that does not renew its leases are rescued (`Workers.lease`).
LEASE = 30.0
