"""Everything on the way from a delivery to its ack: claims, the worker pool, settling, scaling."""
