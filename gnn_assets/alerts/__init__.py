"""Alerts: red checks and failed runs, told once, in words that say what to do. Never part of a run.

alert.py      what an alert is, and its two renderings
findings.py   a run of Dagster → alerts
published.py  what the published table still holds
outbox.py     told once, counted when repeated, retried until delivered
channels.py   webhook and e-mail
post.py       one look: findings → outbox → channels
"""
