"""The sections of the configuration, and every setting in them."""
