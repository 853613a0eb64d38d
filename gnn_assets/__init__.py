"""What exists, when it is refreshed, and what may block it: the Dagster side of the platform.

What belongs here: assets, checks, jobs, schedules, resources, the command line. What does not: how anything is
computed; that is `gnn_core`.
"""
