"""What is measured, one file per scenario."""
