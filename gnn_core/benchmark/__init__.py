"""Quality on public data: protocols, resumable cells, figures over seeds and cells, targets, tables."""
