"""Everything on the way from a submitted task to its envelope in the broker."""
