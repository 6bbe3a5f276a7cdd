"""Tasks that programs elsewhere lease, run and end."""
