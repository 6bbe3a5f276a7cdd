"""The sections of the configuration, and every dial in them."""
