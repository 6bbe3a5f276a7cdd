"""Schedules and their timetables."""
